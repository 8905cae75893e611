"""The Go module that pins the Kubernetes components which labs and tests run; Go's tools read it."""
