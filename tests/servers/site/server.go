// SPDX-License-Identifier: MIT

// An HTTP server on the socket that `lowport run` passes as descriptor 3.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	listener, err := net.FileListener(os.NewFile(3, "lowport"))
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello from go")
	})
	log.Fatal(http.Serve(listener, nil))
}
