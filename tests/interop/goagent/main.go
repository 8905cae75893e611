// A small agent over hashicorp/memberlist, driven by Roost's tests and benchmarks.
//
// One JSON object per line on stdout: {"event":"join|leave|update|conflict|ready|reply", ...}.
// One command per line on stdin: members | join ADDR | meta TEXT | addkey HEX | usekey HEX |
// removekey HEX | leave | quit. Every command is answered by one "reply". Logs go to stderr.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

type line struct {
	Event   string       `json:"event"`
	Time    float64      `json:"time"`
	Node    *memberNode  `json:"node,omitempty"`
	Other   *memberNode  `json:"other,omitempty"`
	Members []memberNode `json:"members,omitempty"`
	Health  int          `json:"health"`
	Error   string       `json:"error,omitempty"`
}

type memberNode struct {
	Name  string `json:"name"`
	Addr  string `json:"addr"`
	Meta  string `json:"meta"`
	State int    `json:"state"`
}

func describe(node *memberlist.Node) *memberNode {
	return &memberNode{node.Name, node.Address(), string(node.Meta), int(node.State)}
}

// output serialises lines: memberlist calls its delegates from several goroutines.
type output struct {
	mutex   sync.Mutex
	encoder *json.Encoder
	changes chan struct{} // holds one when members changed
}

func (o *output) write(l line) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	select {
	case o.changes <- struct{}{}:
	default:
	}
	l.Time = float64(time.Now().UnixNano()) / 1e9
	if err := o.encoder.Encode(l); err != nil {
		log.Fatal(err)
	}
}

func (o *output) NotifyJoin(node *memberlist.Node) {
	o.write(line{Event: "join", Node: describe(node)})
}
func (o *output) NotifyLeave(node *memberlist.Node) {
	o.write(line{Event: "leave", Node: describe(node)})
}
func (o *output) NotifyUpdate(node *memberlist.Node) {
	o.write(line{Event: "update", Node: describe(node)})
}
func (o *output) NotifyConflict(existing, other *memberlist.Node) {
	o.write(line{Event: "conflict", Node: describe(existing), Other: describe(other)})
}

// delegate holds the metadata and hands over a user state, as MetalLB's and Serf's delegates do.
type delegate struct {
	mutex sync.Mutex
	meta  []byte
}

func (d *delegate) NodeMeta(limit int) []byte {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.meta[:min(limit, len(d.meta))]
}
func (d *delegate) NotifyMsg([]byte)                           {}
func (d *delegate) GetBroadcasts(overhead, limit int) [][]byte { return nil }
func (d *delegate) LocalState(join bool) []byte                { return []byte("state of the delegate") }
func (d *delegate) MergeRemoteState(buf []byte, join bool)     {}

func (d *delegate) set(meta string) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.meta = []byte(meta)
}

func main() {
	name := flag.String("name", "go", "node name")
	bind := flag.String("bind", "127.0.0.1", "address to bind and advertise")
	port := flag.Int("port", 7946, "UDP and TCP port")
	keys := flag.String("keys", "", "gossip keys in hex, comma separated, the primary first")
	label := flag.String("label", "", "cluster label")
	meta := flag.String("meta", "", "node metadata")
	compress := flag.Bool("compress", true, "compress messages")
	profile := flag.String("profile", "lan", "lan, wan or local")
	probeInterval := flag.Duration("probe-interval", 0, "overrides the profile")
	probeTimeout := flag.Duration("probe-timeout", 0, "overrides the profile")
	gossipInterval := flag.Duration("gossip-interval", 0, "overrides the profile")
	pushPullInterval := flag.Duration("push-pull-interval", 0, "overrides the profile")
	join := flag.String("join", "", "addresses to join, comma separated")
	link := flag.String("link", "", "interface to answer ARP on, as MetalLB's speaker would")
	vips := flag.String("vips", "", "addresses to answer for where this node leads, comma separated")
	flag.Parse()

	out := &output{encoder: json.NewEncoder(os.Stdout), changes: make(chan struct{}, 1)}
	state := &delegate{meta: []byte(*meta)}
	config := map[string]func() *memberlist.Config{
		"lan": memberlist.DefaultLANConfig, "wan": memberlist.DefaultWANConfig, "local": memberlist.DefaultLocalConfig,
	}[*profile]()
	config.Name, config.BindAddr, config.BindPort, config.AdvertisePort = *name, *bind, *port, *port
	config.Label, config.EnableCompression = *label, *compress
	config.Events, config.Conflict, config.Delegate = out, out, state
	config.Logger = log.New(os.Stderr, "", log.LstdFlags|log.Lmicroseconds)
	override(&config.ProbeInterval, *probeInterval)
	override(&config.ProbeTimeout, *probeTimeout)
	override(&config.GossipInterval, *gossipInterval)
	override(&config.PushPullInterval, *pushPullInterval)
	if *keys != "" {
		config.Keyring = keyring(strings.Split(*keys, ","))
	}

	list, err := memberlist.Create(config)
	if err != nil {
		log.Fatal(err)
	}
	out.write(line{Event: "ready"})
	if *join != "" {
		if _, err := list.Join(strings.Split(*join, ",")); err != nil {
			log.Fatal(err)
		}
	}
	if *link != "" {
		answers, err := newResponder(list, *name, *link, parse(*vips))
		if err != nil {
			log.Fatal(err)
		}
		go answers.answer()
		go answers.announce(out.changes)
	}
	serve(list, config.Keyring, state, out)
}

func parse(texts string) []netip.Addr {
	var found []netip.Addr
	for _, text := range strings.Split(texts, ",") {
		found = append(found, netip.MustParseAddr(text))
	}
	return found
}

func override(setting *time.Duration, value time.Duration) {
	if value > 0 {
		*setting = value
	}
}

func keyring(texts []string) *memberlist.Keyring {
	var keys [][]byte
	for _, text := range texts {
		key, err := hex.DecodeString(text)
		if err != nil {
			log.Fatal(err)
		}
		keys = append(keys, key)
	}
	ring, err := memberlist.NewKeyring(keys[1:], keys[0])
	if err != nil {
		log.Fatal(err)
	}
	return ring
}

// serve answers commands until "quit" or the end of stdin, so that no agent outlives its test.
func serve(list *memberlist.Memberlist, ring *memberlist.Keyring, state *delegate, out *output) {
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		word, argument, _ := strings.Cut(strings.TrimSpace(commands.Text()), " ")
		if word == "quit" {
			break
		}
		reply := line{Event: "reply", Health: list.GetHealthScore()}
		if err := obey(word, argument, list, ring, state); err != nil {
			reply.Error = err.Error()
		}
		if word == "members" {
			for _, node := range list.Members() {
				reply.Members = append(reply.Members, *describe(node))
			}
		}
		out.write(reply)
	}
	if err := list.Shutdown(); err != nil {
		log.Fatal(err)
	}
}

func obey(word, argument string, list *memberlist.Memberlist, ring *memberlist.Keyring, state *delegate) error {
	switch word {
	case "members":
		return nil
	case "join":
		_, err := list.Join([]string{argument})
		return err
	case "meta":
		state.set(argument)
		return list.UpdateNode(2 * time.Second)
	case "leave":
		return list.Leave(2 * time.Second)
	case "addkey", "usekey", "removekey":
		return rotate(word, argument, ring)
	}
	return fmt.Errorf("unknown command %q", word)
}

func rotate(word, argument string, ring *memberlist.Keyring) error {
	key, err := hex.DecodeString(argument)
	if err != nil || ring == nil {
		return errors.Join(err, errors.New("a key in hex, and a keyring, are needed"))
	}
	return map[string]func([]byte) error{"addkey": ring.AddKey, "usekey": ring.UseKey, "removekey": ring.RemoveKey}[word](key)
}
