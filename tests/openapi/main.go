// Generates Metriclet's OpenAPI documents, and checks the served ones with Kubernetes' own libraries.
//
//	openapi generate           prints the documents in the format of src/api/openapi.rs
//	openapi check URL PATH...  checks the documents at the URL, and the responses at these paths
package main

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	openapi2 "k8s.io/kube-openapi/pkg/handler"
	openapi3 "k8s.io/kube-openapi/pkg/handler3"
)

func main() {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "generate":
		generate(os.Stdout)
	case len(os.Args) > 2 && os.Args[1] == "check":
		check(os.Args[2], os.Args[3:])
	default:
		fmt.Fprintln(os.Stderr, "usage: openapi generate | openapi check URL PATH...")
		os.Exit(64)
	}
}

func generate(out io.Writer) {
	if unused := unused(swagger().Definitions); len(unused) > 0 {
		fail("texts.go describes what there is not: %v", unused)
	}
	var whole bytes.Buffer
	write := func(part []byte) {
		must(binary.Write(&whole, binary.LittleEndian, uint32(len(part))))
		whole.Write(part)
	}
	// Similar documents are adjacent, for better compression.
	for _, document := range documents() {
		write([]byte(document.name))
		write(document.json)
	}
	for _, document := range documents() {
		write(protobuf(document))
	}
	writer, err := flate.NewWriter(out, flate.BestCompression)
	must(err)
	_, err = writer.Write(whole.Bytes())
	must(err)
	must(writer.Close())
}

// protobuf encodes a document like Kubernetes' servers.
func protobuf(document document) []byte {
	encode := openapi3.ToV3ProtoBinary
	if document.name == "" {
		encode = openapi2.ToProtoBinary
	}
	bytes, err := encode(document.json)
	must(err)
	return bytes
}

func must(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}
