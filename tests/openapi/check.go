package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	openapi_v2 "github.com/google/gnostic-models/openapiv2"
	openapi_v3 "github.com/google/gnostic-models/openapiv3"
	"google.golang.org/protobuf/proto"
	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/handler3"
	"k8s.io/kube-openapi/pkg/spec3"
	models "k8s.io/kube-openapi/pkg/util/proto"
	modelvalidation "k8s.io/kube-openapi/pkg/util/proto/validation"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
)

// check compares the served documents with the generated ones, reads them like clients, and validates responses with them.
func check(url string, paths []string) {
	listed := handler3.OpenAPIV3Discovery{}
	must(json.Unmarshal(get(url+"/openapi/v3", ""), &listed))
	var v2 *spec.Swagger
	var readers []models.Models
	for _, generated := range documents() {
		at, kind := url+"/openapi/v2", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
		if generated.name != "" {
			entry, found := listed.Paths[generated.name]
			if !found {
				continue
			}
			delete(listed.Paths, generated.name)
			at, kind = url+entry.ServerRelativeURL, "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
		}
		served := get(at, "application/json")
		if !bytes.Equal(served, generated.json) {
			fail("%s is not what is generated: run scripts/openapi", at)
		}
		encoded := get(at, kind)
		if !bytes.Equal(encoded, protobuf(document{generated.name, served})) {
			fail("%s is not encoded as JSON says it", at)
		}
		if generated.name == "" {
			v2 = &spec.Swagger{}
			same(served, v2)
			parsed := &openapi_v2.Document{}
			must(proto.Unmarshal(encoded, parsed))
			read, err := models.NewOpenAPIData(parsed)
			must(err)
			readers = append(readers, read)
			continue
		}
		same(served, &spec3.OpenAPI{})
		parsed := &openapi_v3.Document{}
		must(proto.Unmarshal(encoded, parsed))
		read, err := models.NewOpenAPIV3Data(parsed)
		must(err)
		readers = append(readers, read)
	}
	if len(listed.Paths) > 0 {
		fail("/openapi/v3 lists unknown documents: %v", listed.Paths)
	}
	aggregate(v2)
	for _, path := range paths {
		answer(url+path, v2, readers)
	}
	fmt.Printf("%d documents and %d answers\n", len(readers), len(paths))
}

// get requests a URL with this Accept header, or without one if it is empty.
func get(url, accept string) []byte {
	request, err := http.NewRequest("GET", url, nil)
	must(err)
	if accept != "" {
		request.Header.Set("Accept", accept)
	}
	response, err := http.DefaultClient.Do(request)
	must(err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	must(err)
	if response.StatusCode != 200 {
		fail("%s: %s: %s", url, response.Status, body)
	}
	return body
}

// same reads a document, and fails if anything is lost.
func same(document []byte, into any) {
	must(json.Unmarshal(document, into))
	if again := marshal(into); !bytes.Equal(again, document) {
		fail("%s is read as %s", document, again)
	}
}

// aggregate merges the documents of two servers that describe the same types, like kube-apiserver.
func aggregate(v2 *spec.Swagger) {
	whole := &spec.Swagger{}
	must(json.Unmarshal(marshal(v2), whole))
	for name, definition := range whole.Definitions {
		definition.Description += " Of another version."
		whole.Definitions[name] = definition
	}
	whole.Paths = &spec.Paths{Paths: map[string]spec.PathItem{}}
	expected := 0
	for _, v := range versions {
		part := aggregator.FilterSpecByPathsWithoutSideEffects(v2, []string{"/apis/" + v.group + "/" + v.version + "/"})
		expected += len(v.routes) + 1
		must(aggregator.MergeSpecsIgnorePathConflictRenamingDefinitionsAndParameters(whole, part))
	}
	if found := len(whole.Paths.Paths); found != expected {
		fail("expected %d paths, found %d", expected, found)
	}
}

// answer validates the response at a metric's path, with both validators, and checks that they detect damage.
func answer(url string, v2 *spec.Swagger, readers []models.Models) {
	body := get(url, "application/json")
	read := func() map[string]any {
		list := map[string]any{}
		must(json.Unmarshal(body, &list))
		return list
	}
	list := read()
	if items, _ := list["items"].([]any); len(items) == 0 {
		fail("%s has no items: %s", url, body)
	}
	group, version, _ := strings.Cut(list["apiVersion"].(string), "/")
	name := definition(v2, group, version, list["kind"].(string))
	problems := func(list map[string]any) int {
		found := 0
		for _, reader := range readers {
			// A document of version 3 describes one version.
			if model := reader.LookupModel(name); model != nil {
				found += len(modelvalidation.ValidateModel(list, model, name))
			}
		}
		inlined := inline(v2, spec.RefSchema("#/definitions/"+name))
		result := validate.NewSchemaValidator(inlined, nil, "", strfmt.Default).Validate(withoutNulls(list))
		return found + len(result.Errors)
	}
	if problems(list) > 0 {
		fail("%s is not as described: %s", url, body)
	}
	item := func(list map[string]any) map[string]any { return list["items"].([]any)[0].(map[string]any) }
	for about, damage := range map[string]func(map[string]any){
		"items":     func(list map[string]any) { list["items"] = "none" },
		"metadata":  func(list map[string]any) { list["metadata"] = 1 },
		"value":     func(list map[string]any) { item(list)["value"] = []any{} },
		"timestamp": func(list map[string]any) { delete(item(list), "timestamp") },
		"unknown":   func(list map[string]any) { item(list)["unknown"] = "field" },
	} {
		list := read()
		damage(list)
		if problems(list) == 0 {
			fail("%s may have anything in %s", url, about)
		}
	}
}

// definition finds a definition like kubectl.
func definition(v2 *spec.Swagger, group, version, kind string) string {
	for name, schema := range v2.Definitions {
		kinds, _ := schema.Extensions["x-kubernetes-group-version-kind"].([]any)
		for _, of := range kinds {
			of := of.(map[string]any)
			if of["group"] == group && of["version"] == version && of["kind"] == kind {
				return name
			}
		}
	}
	fail("%s/%s %s is not described", group, version, kind)
	return ""
}

// inline replaces references by definitions, because this validator does not follow references.
func inline(v2 *spec.Swagger, schema *spec.Schema) *spec.Schema {
	if reference := schema.Ref.String(); reference != "" {
		found, known := v2.Definitions[strings.TrimPrefix(reference, "#/definitions/")]
		if !known {
			fail("%s is not defined", reference)
		}
		return inline(v2, &found)
	}
	inlined := *schema
	inlined.Properties = map[string]spec.Schema{}
	for key, property := range schema.Properties {
		inlined.Properties[key] = *inline(v2, &property)
	}
	if schema.Items != nil {
		inlined.Items = &spec.SchemaOrArray{Schema: inline(v2, schema.Items.Schema)}
	}
	return &inlined
}

// withoutNulls removes members that are null, which Kubernetes' servers send for absent values.
func withoutNulls(value any) any {
	switch value := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for key, member := range value {
			if member != nil {
				kept[key] = withoutNulls(member)
			}
		}
		return kept
	case []any:
		kept := []any{}
		for _, member := range value {
			kept = append(kept, withoutNulls(member))
		}
		return kept
	}
	return value
}
