// SPDX-License-Identifier: MIT

// A web server that asks the daemon for its socket (open mode), or has a socket of its own bound by
// the daemon (own mode). It needs the standard library alone, and no cgo.
//
//	go run server.go open|own PORT
package main

import (
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// The two messages of the protocol, in the machine's own byte order and without padding.
type request struct {
	version, operation uint16
	protocol, family   uint8
	port               uint16
	flags, backlog     uint32
	address            [16]byte // all 0: every address
	scope              uint32
	reserved           [3]uint32
}

type reply struct {
	version, operation, reason, flags uint16
	errno                             int32
	uid, detail, line                 uint32
	path                              [232]byte
}

const (
	opOpen, opOwn, opCheck = 1, 2, 3
	tcp, v6                = 6, 6
)

func connect(variable, usual string) (*net.UnixConn, error) {
	path := os.Getenv(variable)
	if path == "" {
		path = usual
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		// "unixpacket" is SOCK_SEQPACKET.
		conn, err := net.Dial("unixpacket", path)
		if err == nil {
			_ = conn.SetDeadline(deadline)
			return conn.(*net.UnixConn), nil
		}
		// Go does not wait in connect(2): where many others wait for the daemon, come again.
		if !errors.Is(err, syscall.EAGAIN) || time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Asks once. `pass` is a descriptor to send along, or -1; so is what is returned.
func ask(conn *net.UnixConn, operation uint16, port uint16, pass int) (int, error) {
	q := request{version: 1, operation: operation, protocol: tcp, family: v6, port: port}
	var a reply
	var rights []byte
	if pass >= 0 {
		rights = syscall.UnixRights(pass)
	}
	out := (*[unsafe.Sizeof(q)]byte)(unsafe.Pointer(&q))[:]
	in := (*[unsafe.Sizeof(a)]byte)(unsafe.Pointer(&a))[:]
	control := make([]byte, syscall.CmsgLen(4)) // room for exactly one descriptor
	if _, _, err := conn.WriteMsgUnix(out, rights, nil); err != nil {
		return -1, err
	}
	n, nc, _, _, err := conn.ReadMsgUnix(in, control)
	if err != nil {
		return -1, err
	}
	if n != len(in) || a.version != 1 {
		return -1, errors.New("no answer in version 1 of the protocol")
	}
	if a.errno != 0 {
		return -1, fmt.Errorf("%w (reason %d)", syscall.Errno(a.errno), a.reason)
	}
	messages, err := syscall.ParseSocketControlMessage(control[:nc])
	if err != nil || len(messages) == 0 {
		return -1, err
	}
	fds, err := syscall.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.New("one descriptor was expected")
	}
	return fds[0], nil
}

// Makes a net.Listener of a listening socket, which is gone then.
func listener(fd int) (net.Listener, error) {
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	return net.FileListener(file)
}

// Open mode: the daemon's reply carries a socket that listens on every address.
func listenOpen(port uint16) (net.Listener, error) {
	conn, err := connect("LOWPORT_SOCKET", "/run/lowport/socket")
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	fd, err := ask(conn, opOpen, port, -1)
	if err != nil {
		return nil, err
	}
	return listener(fd)
}

// What bind(2) does, or the daemon in its place where a privilege is lacking.
func bind(fd int, port uint16) error {
	err := syscall.Bind(fd, &syscall.SockaddrInet6{Port: int(port)})
	if err != syscall.EACCES {
		return err
	}
	conn, err := connect("LOWPORT_OWN_SOCKET", "/run/lowport/own.socket")
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err = ask(conn, opCheck, port, -1); err == nil {
		_, err = ask(conn, opOwn, port, fd)
	}
	return err
}

// Own mode. net.ListenConfig cannot do it: its Control runs before bind(2), which then follows in
// any case, and fails. So the socket is made by hand, and becomes a Listener when it listens.
func listenOwn(port uint16) (net.Listener, error) {
	fd, err := syscall.Socket(syscall.AF_INET6, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	_ = syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	err = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_V6ONLY, 0)
	if err == nil {
		err = bind(fd, port)
	}
	if err == nil {
		err = syscall.Listen(fd, syscall.SOMAXCONN)
	}
	if err != nil {
		_ = syscall.Close(fd)
		return nil, err
	}
	return listener(fd)
}

func main() {
	modes := map[string]func(uint16) (net.Listener, error){"open": listenOpen, "own": listenOwn}
	if len(os.Args) != 3 || modes[os.Args[1]] == nil {
		log.Fatal("usage: server open|own PORT")
	}
	port, err := strconv.ParseUint(os.Args[2], 10, 16)
	if err != nil {
		log.Fatal(err)
	}
	l, err := modes[os.Args[1]](uint16(port))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "hello from go")
	})))
}
