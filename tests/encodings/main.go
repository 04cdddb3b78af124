// Prints objects of the API as Kubernetes' own serializers encode them.
//
//	encodings objects   a line for each object of objects.go: {"name", "json", "yaml", "protobuf"}, the last in hexadecimal
//	encodings texts     a line for each text of texts.go: {"text", "value", "key"}, YAML with the text as a value and as a key
//	encodings yaml      reads JSON documents, one per line, and prints the YAML of each, as a JSON string
package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	custom "k8s.io/metrics/pkg/apis/custom_metrics/install"
	external "k8s.io/metrics/pkg/apis/external_metrics/install"
	"sigs.k8s.io/yaml"
)

// An object, and its API version.
type object struct {
	name    string
	version schema.GroupVersion
	object  runtime.Object
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	switch os.Args[1] {
	case "objects":
		for _, o := range objects() {
			must(lines.Encode(encodings(o)))
		}
	case "texts":
		for _, text := range texts() {
			must(lines.Encode(map[string]string{
				"text":  text,
				"value": toYAML(marshal(map[string]string{"k": text})),
				"key":   toYAML(marshal(map[string]string{text: "v"})),
			}))
		}
	case "yaml":
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<24)
		for in.Scan() {
			must(lines.Encode(toYAML(in.Bytes())))
		}
		must(in.Err())
	default:
		panic("objects, texts or yaml?")
	}
}

// Encodes like a server: converts to the version, sets kind and apiVersion, and serializes.
func encodings(o object) map[string]string {
	scheme := runtime.NewScheme()
	custom.Install(scheme)
	external.Install(scheme)
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	codecs := serializer.NewCodecFactory(scheme)
	encoded := map[string]string{"name": o.name}
	for _, info := range codecs.SupportedMediaTypes() {
		var body bytes.Buffer
		must(codecs.EncoderForVersion(info.Serializer, o.version).Encode(o.object, &body))
		switch info.MediaType {
		case runtime.ContentTypeJSON:
			encoded["json"] = body.String()
		case runtime.ContentTypeYAML:
			encoded["yaml"] = body.String()
		case runtime.ContentTypeProtobuf:
			encoded["protobuf"] = hex.EncodeToString(body.Bytes())
		}
	}
	return encoded
}

func marshal(value any) []byte {
	text, err := json.Marshal(value)
	must(err)
	return text
}

func toYAML(text []byte) string {
	printed, err := yaml.JSONToYAML(text)
	must(err)
	return string(printed)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
