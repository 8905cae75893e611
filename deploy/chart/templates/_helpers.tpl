{{- define "roost.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- define "roost.fullname" -}}
{{ .Values.fullnameOverride | default .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- define "roost.labels" -}}
{{ include "roost.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
{{- define "roost.selector" -}}
app.kubernetes.io/name: {{ include "roost.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
{{- define "roost.secret" -}}
{{ .Values.speaker.secretName | default (printf "%s-memberlist" (include "roost.fullname" .)) }}
{{- end }}
{{- /* These take (list . "controller") or (list . "speaker"). */ -}}
{{- define "roost.image" -}}
{{- $root := index . 0 }}{{ $image := (index $root.Values (index . 1)).image -}}
{{- if contains "metallb/" $image.repository }}{{ fail (printf "%s.image is MetalLB's: leave it out, or name an image of Roost" (index . 1)) }}{{ end -}}
image: {{ $image.repository | default $root.Values.image.repository }}:{{ $image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion }}
imagePullPolicy: {{ $image.pullPolicy | default $root.Values.image.pullPolicy }}
{{- end }}
{{- define "roost.account" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $account := (index $root.Values $part).serviceAccount -}}
{{- if $account.create }}{{ $account.name | default (printf "%s-%s" (include "roost.fullname" $root) $part) }}
{{- else }}{{ $account.name | default "default" }}{{ end }}
{{- end }}
{{- define "roost.podAnnotations" -}}
{{- $root := index . 0 }}{{ $given := (index $root.Values (index . 1)).podAnnotations }}
{{- if $root.Values.prometheus.scrapeAnnotations -}}
prometheus.io/scrape: "true"
prometheus.io/scheme: {{ include "roost.scheme" $root }}
prometheus.io/port: {{ $root.Values.prometheus.metricsPort | quote }}
{{ end }}
{{- with $given }}{{ toYaml . }}{{ end }}
{{- end }}
{{- define "roost.tlsSecret" -}}
{{ index (index . 0).Values.tls (printf "%sMetricsTLSSecret" (index . 1)) }}
{{- end }}
{{- define "roost.metricsArguments" -}}
{{- $root := index . 0 -}}
- --port={{ $root.Values.prometheus.metricsPort }}
- --metrics={{ include "roost.scheme" $root }}
{{- if include "roost.tlsSecret" . }}
- --metrics-cert-dir=/etc/metrics
{{- end }}
{{- with $root.Values.tls.minVersion }}
- --tls-min-version={{ . }}
{{- end }}
{{- if $root.Values.prometheus.metallbNames }}
- --metallb-metrics
{{- end }}
{{- end }}
{{- /* Without metrics there is a port of no number: nobody refers to it then. */ -}}
{{- define "roost.scheme" -}}
{{ ternary "https" "http" .Values.prometheus.https }}
{{- end }}
{{- define "roost.metricsPort" -}}
{{ ternary "metricshttps" "metrics" .Values.prometheus.https }}
{{- end }}
{{- define "roost.probe" -}}
failureThreshold: {{ .failureThreshold }}
{{- with .initialDelaySeconds }}
initialDelaySeconds: {{ . }}
{{- end }}
periodSeconds: {{ .periodSeconds }}
{{- with .timeoutSeconds }}
timeoutSeconds: {{ . }}
{{- end }}
{{- with .successThreshold }}
successThreshold: {{ . }}
{{- end }}
{{- end }}
{{- /* Takes the probes' values, the port, the path and the host ("" for the pod's own). */ -}}
{{- define "roost.httpProbe" -}}
{{- $values := index . 0 -}}
httpGet: {path: {{ index . 2 }}, port: {{ index . 1 }}{{ with index . 3 }}, host: {{ . }}{{ end }}}
{{ include "roost.probe" $values }}
{{- end }}
