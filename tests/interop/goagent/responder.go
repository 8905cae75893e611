package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"log"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

const (
	etherTypeARP = 0x0806
	request      = 1
	reply        = 2
)

var broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// responder answers ARP for the addresses that this node leads among the members that memberlist holds
// for alive or suspected: MetalLB's rule, without its Kubernetes.
type responder struct {
	name      string
	link      *net.Interface
	socket    int
	addresses []netip.Addr
	list      *memberlist.Memberlist
}

func newResponder(list *memberlist.Memberlist, name, link string, addresses []netip.Addr) (*responder, error) {
	device, err := net.InterfaceByName(link)
	if err != nil {
		return nil, err
	}
	protocol := int(binary.BigEndian.Uint16(binary.LittleEndian.AppendUint16(nil, etherTypeARP)))
	socket, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW, protocol)
	if err != nil {
		return nil, err
	}
	return &responder{name, device, socket, addresses, list}, nil
}

func (r *responder) leads(address netip.Addr) bool {
	own := digest(r.name, address)
	for _, member := range r.list.Members() {
		if bytes.Compare(digest(member.Name, address), own) < 0 {
			return false
		}
	}
	return true
}

func digest(name string, address netip.Addr) []byte {
	sum := sha256.Sum256([]byte(name + "#" + address.String()))
	return sum[:]
}

// answer serves requests until the socket fails.
func (r *responder) answer() {
	frame := make([]byte, 1514)
	for {
		size, from, err := syscall.Recvfrom(r.socket, frame, 0)
		if err != nil {
			log.Fatal(err)
		}
		link, ok := from.(*syscall.SockaddrLinklayer)
		if !ok || link.Ifindex != r.link.Index || size < 42 || binary.BigEndian.Uint16(frame[20:]) != request {
			continue
		}
		sender, _ := netip.AddrFromSlice(frame[28:32])
		target, _ := netip.AddrFromSlice(frame[38:42])
		if r.announces(target) {
			r.send(reply, net.HardwareAddr(frame[22:28]), target, sender)
		}
	}
}

func (r *responder) announces(address netip.Addr) bool {
	for _, each := range r.addresses {
		if each == address {
			return r.leads(address)
		}
	}
	return false
}

// announce tells the LAN, once a second and for five of them after each change of the members.
func (r *responder) announce(changes <-chan struct{}) {
	left, ticks := 0, time.NewTicker(1100*time.Millisecond)
	for {
		select {
		case <-changes:
			left = 5
		case <-ticks.C:
		}
		if left == 0 {
			continue
		}
		left--
		for _, address := range r.addresses {
			if r.leads(address) {
				r.send(request, broadcast, address, address)
				r.send(reply, broadcast, address, address)
			}
		}
	}
}

func (r *responder) send(operation uint16, to net.HardwareAddr, vip, target netip.Addr) {
	frame := append([]byte{}, to...)
	frame = append(frame, r.link.HardwareAddr...)
	frame = append(frame, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4)
	frame = binary.BigEndian.AppendUint16(frame, operation)
	frame = append(frame, r.link.HardwareAddr...)
	frame = append(frame, vip.AsSlice()...)
	frame = append(frame, to...)
	frame = append(frame, target.AsSlice()...)
	frame = append(frame, make([]byte, 60-len(frame))...)
	if err := syscall.Sendto(r.socket, frame, 0, &syscall.SockaddrLinklayer{Ifindex: r.link.Index}); err != nil {
		log.Print(err)
	}
}
