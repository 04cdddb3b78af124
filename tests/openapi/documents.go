package main

import (
	"encoding/json"
	"sort"
	"strings"

	"k8s.io/kube-openapi/pkg/aggregator"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/openapiconv"
	"k8s.io/kube-openapi/pkg/validation/spec"
	custom "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/custommetrics"
	external "sigs.k8s.io/custom-metrics-apiserver/pkg/generated/openapi/externalmetrics"
)

const (
	customMetrics   = "io.k8s.metrics.pkg.apis.custom_metrics."
	externalMetrics = "io.k8s.metrics.pkg.apis.external_metrics."
	meta            = "io.k8s.apimachinery.pkg.apis.meta.v1."
)

// version is one version of a group with its routes, all of which return the same list.
type version struct {
	group, version string
	// pkg and list are the package and kind of the list's definition.
	pkg, list string
	routes    []route
	queries   []string
}

// route is a path below the version. In its operation's name, the version takes the place of an underscore.
type route struct {
	path, id, about string
}

var versions = []version{
	{"custom.metrics.k8s.io", "v1beta1", customMetrics, "MetricValueList", customRoutes, customQueries},
	{"custom.metrics.k8s.io", "v1beta2", customMetrics, "MetricValueList", customRoutes, customQueries},
	{"external.metrics.k8s.io", "v1beta1", externalMetrics, "ExternalMetricValueList", externalRoutes, externalQueries},
}

// The media types of Metriclet's responses.
var mediaTypes = []string{"application/json"}

// document is the document at a path, or those of version 3 below it.
type document struct {
	// name is empty for version 2, which has one document.
	name string
	json []byte
}

// documents creates all documents.
func documents() []document {
	v2 := swagger()
	all := []document{{"", marshal(v2)}}
	for _, v := range versions {
		prefix := "/apis/" + v.group + "/" + v.version + "/"
		v3 := openapiconv.ConvertV2ToV3(aggregator.FilterSpecByPathsWithoutSideEffects(v2, []string{prefix}))
		all = append(all, document{strings.Trim(prefix, "/"), marshal(v3)})
	}
	return all
}

// swagger is the document of version 2, which describes the whole API.
func swagger() *spec.Swagger {
	paths := map[string]spec.PathItem{
		"/apis/": pathItem("apis", "getAPIVersions", "List the groups.", meta+"APIGroupList", nil),
	}
	roots := []string{meta + "APIGroupList"}
	for _, v := range versions {
		first, _, _ := strings.Cut(v.group, ".")
		tag := first + "Metrics"
		name := strings.ToUpper(tag[:1]) + tag[1:]
		base := "/apis/" + v.group + "/"
		paths[base] = pathItem(tag, "get"+name+"APIGroup", "List the versions of the group.", meta+"APIGroup", nil)
		tag, name, base = tag+"_"+v.version, name+strings.ToUpper(v.version[:1])+v.version[1:], base+v.version+"/"
		list := v.pkg + v.version + "." + v.list
		paths[base] = pathItem(tag, "get"+name+"APIResources", "List the metrics that are configured.", meta+"APIResourceList", nil)
		for _, r := range v.routes {
			parameters := []spec.Parameter{}
			for _, segment := range strings.Split(r.path, "/") {
				if name, found := strings.CutPrefix(segment, "{"); found {
					parameters = append(parameters, parameter("path", strings.TrimSuffix(name, "}")))
				}
			}
			for _, name := range v.queries {
				parameters = append(parameters, parameter("query", name))
			}
			paths[base+r.path] = pathItem(tag, strings.Replace(r.id, "_", name, 1), r.about, list, parameters)
		}
		roots = append(roots, meta+"APIGroup", meta+"APIResourceList", list)
	}
	info := &spec.Info{InfoProps: spec.InfoProps{Title: "Metriclet", Version: "unversioned"}}
	return &spec.Swagger{SwaggerProps: spec.SwaggerProps{
		Swagger: "2.0", Info: info, Paths: &spec.Paths{Paths: paths}, Definitions: definitions(roots),
	}}
}

func pathItem(tag, id, about, result string, parameters []spec.Parameter) spec.PathItem {
	ok := spec.Response{ResponseProps: spec.ResponseProps{
		Description: "OK", Schema: spec.RefSchema("#/definitions/" + result),
	}}
	operation := &spec.Operation{OperationProps: spec.OperationProps{
		ID:          id,
		Description: about,
		Schemes:     []string{"https"},
		Produces:    mediaTypes,
		Tags:        []string{tag},
		Responses: &spec.Responses{ResponsesProps: spec.ResponsesProps{
			StatusCodeResponses: map[int]spec.Response{200: ok},
		}},
	}}
	return spec.PathItem{PathItemProps: spec.PathItemProps{Get: operation, Parameters: parameters}}
}

func parameter(in, name string) spec.Parameter {
	kind := "string"
	if name == "pretty" {
		kind = "boolean"
	}
	return spec.Parameter{
		ParamProps:   spec.ParamProps{Name: name, In: in, Required: in == "path", Description: parameters[name]},
		SimpleSchema: spec.SimpleSchema{Type: kind},
	}
}

// definitions are Kubernetes' definitions that the roots need, with our own descriptions, and without defaults, which responses
// do not need.
func definitions(roots []string) spec.Definitions {
	ref := func(name string) spec.Ref { return spec.MustCreateRef("#/definitions/" + name) }
	known := custom.GetOpenAPIDefinitions(ref)
	for name, definition := range external.GetOpenAPIDefinitions(ref) {
		known[name] = definition
	}
	used := spec.Definitions{}
	for len(roots) > 0 {
		name := roots[0]
		roots = roots[1:]
		if _, found := used[name]; found {
			continue
		}
		definition, found := known[name]
		if !found {
			panic("Kubernetes has no definition of " + name)
		}
		used[name] = described(name, definition)
		roots = append(roots, definition.Dependencies...)
	}
	tell := func(name, group, version string) {
		schema := used[name]
		kind := map[string]any{"group": group, "version": version, "kind": kind(name)}
		schema.AddExtension("x-kubernetes-group-version-kind", []any{kind})
		used[name] = schema
	}
	for _, kind := range []string{"APIGroup", "APIGroupList", "APIResourceList"} {
		tell(meta+kind, "", "v1")
	}
	for _, v := range versions {
		list := v.pkg + v.version + "." + v.list
		tell(list, v.group, v.version)
		tell(strings.TrimSuffix(list, "List"), v.group, v.version)
	}
	return used
}

func described(name string, definition common.OpenAPIDefinition) spec.Schema {
	schema := definition.Schema
	// In version 3, a Quantity may also be a number, which Metriclet never sends.
	if v2, found := schema.Extensions[common.ExtensionV2Schema].(spec.Schema); found {
		schema = v2
	}
	kind := kind(name)
	schema.Description = descriptions[kind]
	properties := map[string]spec.Schema{}
	for key, property := range schema.Properties {
		property.Description = descriptions[kind+"."+key]
		if property.Description == "" {
			property.Description = descriptions[key]
		}
		property.Default = nil
		properties[key] = property
	}
	if len(properties) > 0 {
		schema.Properties = properties
	}
	return schema
}

// kind is the last part of a definition's name.
func kind(name string) string {
	return name[strings.LastIndex(name, ".")+1:]
}

func marshal(document any) []byte {
	bytes, err := json.Marshal(document)
	if err != nil {
		panic(err)
	}
	return bytes
}

// unused returns descriptions without a definition.
func unused(definitions spec.Definitions) []string {
	known := map[string]bool{}
	for name, schema := range definitions {
		kind := kind(name)
		known[kind] = true
		for key := range schema.Properties {
			known[key], known[kind+"."+key] = true, true
		}
	}
	var unused []string
	for name := range descriptions {
		if !known[name] {
			unused = append(unused, name)
		}
	}
	sort.Strings(unused)
	return unused
}
