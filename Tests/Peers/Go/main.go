// The interoperability cases on grpc-go.
//
//	peer-go server PORT                       prints LISTENING; SIGTERM drains
//	peer-go client TARGET CONCURRENT CASE...  prints PASS, FAIL or SKIP for each case
package main

import (
	"fmt"
	"os"
	"strconv"

	"google.golang.org/grpc"
)

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "version":
		fmt.Println(grpc.Version)
	case len(os.Args) == 3 && os.Args[1] == "server":
		serve(os.Args[2])
	case len(os.Args) > 4 && os.Args[1] == "client":
		concurrent, err := strconv.Atoi(os.Args[3])
		if err != nil {
			fail("CONCURRENT is a number, not " + os.Args[3])
		}
		if !runCases(os.Args[2], concurrent, os.Args[4:]) {
			os.Exit(1)
		}
	default:
		fail("usage: peer-go version | server PORT | client TARGET CONCURRENT CASE...")
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(2)
}
