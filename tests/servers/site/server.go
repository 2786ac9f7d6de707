// SPDX-License-Identifier: MIT

// An HTTP server on the socket that `lowport run` passes as descriptor 3, or on a port of its own.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func listen() (net.Listener, error) {
	if os.Getenv("LISTEN_FDS") != "" {
		return net.FileListener(os.NewFile(3, "lowport"))
	}
	return net.Listen("tcp", ":80")
}

func main() {
	listener, err := listen()
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from go")
	})
	log.Fatal(http.Serve(listener, nil))
}
