package main

import (
	"fmt"
	"math"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/external_metrics"
)

const (
	customGroup   = "custom.metrics.k8s.io"
	externalGroup = "external.metrics.k8s.io"
	minute        = int64(60)
)

var (
	v1 = schema.GroupVersion{Version: "v1"}
	at = metav1.Unix(1787020504, 0)

	// Lengths that need two bytes, and three.
	long   = strings.Repeat("queue depth, ", 12)
	longer = strings.Repeat("longer than it should be/", 660)
)

func objects() []object {
	var all []object
	all = append(all, customLists()...)
	all = append(all, externalLists()...)
	all = append(all, statuses()...)
	return append(all, discovery()...)
}

func pod(name string, window *int64, milli int64) custom_metrics.MetricValue {
	return value(custom_metrics.ObjectReference{Kind: "Pod", Namespace: "default", Name: name, APIVersion: "v1"}, window, milli)
}

func value(of custom_metrics.ObjectReference, window *int64, milli int64) custom_metrics.MetricValue {
	return custom_metrics.MetricValue{
		DescribedObject: of,
		Timestamp:       at,
		WindowSeconds:   window,
		Value:           *resource.NewMilliQuantity(milli, resource.DecimalSI),
	}
}

func when(seconds int64) custom_metrics.MetricValue {
	item := pod("web-0", nil, 1000)
	item.Timestamp = metav1.Unix(seconds, 0)
	return item
}

// Each list in both versions. Its items have the same metric and selector, as in a response.
func customLists() []object {
	var all []object
	add := func(name, metric string, selector *metav1.LabelSelector, items ...custom_metrics.MetricValue) {
		list := custom_metrics.MetricValueList{Items: []custom_metrics.MetricValue{}}
		for _, item := range items {
			item.Metric = custom_metrics.MetricIdentifier{Name: metric, Selector: selector}
			list.Items = append(list.Items, item)
		}
		for _, version := range []string{"v1beta1", "v1beta2"} {
			gv := schema.GroupVersion{Group: customGroup, Version: version}
			all = append(all, object{fmt.Sprintf("custom %s: %s", version, name), gv, list.DeepCopyObject()})
		}
	}
	window := func(seconds int64) *int64 { return &seconds }
	node := custom_metrics.ObjectReference{Kind: "Node", Name: "n1", APIVersion: "v1"}
	exists := metav1.LabelSelectorRequirement{Key: "k", Operator: metav1.LabelSelectorOpExists}
	absent := metav1.LabelSelectorRequirement{Key: "z", Operator: metav1.LabelSelectorOpDoesNotExist}
	in := metav1.LabelSelectorRequirement{Key: "code", Operator: metav1.LabelSelectorOpIn, Values: []string{"200", "5xx", ""}}
	notIn := metav1.LabelSelectorRequirement{Key: "on", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"no"}}

	add("none", "http_requests", nil)
	add("one pod", "http_requests", nil, pod("web-0", window(minute), 1500))
	add("three pods", "http_requests", nil, pod("web-0", window(minute), 1500), pod("web-1", nil, 0), pod("web-2", window(0), 2000))
	add("a node", "load", nil, value(node, nil, 250))
	add("a group's kind", "queue", nil, value(custom_metrics.ObjectReference{
		Kind: "Deployment", Namespace: "shop", Name: "web", APIVersion: "apps/v1"}, nil, 12000))
	add("names in other scripts", "größe_✓", nil, pod("größe-✓-😀", nil, 1))
	add("names that need quotes", "on", nil, pod("1e3", nil, 1), pod("0x10", nil, 1), pod("null", nil, 1), pod("2026-08-18", nil, 1), pod("- x", nil, 1), pod("a: b # c", nil, 1))
	add("long names", long, nil, pod(long, nil, 1), pod("web-0", nil, 2))
	for _, milli := range []int64{1, -1, 999, 1000, -12000, 1000000, 1000000000, 123456789, math.MaxInt64, math.MinInt64} {
		add(fmt.Sprintf("value %dm", milli), "m", nil, pod("web-0", nil, milli))
	}
	for _, seconds := range []int64{1, 127, 128, 3600, -1, math.MaxInt64, math.MinInt64} {
		add(fmt.Sprintf("window %d", seconds), "m", nil, pod("web-0", window(seconds), 1))
	}
	for _, seconds := range []int64{0, 1, -1, 253402300799, -62135596799} {
		add(fmt.Sprintf("time %d", seconds), "m", nil, when(seconds))
	}
	none := pod("web-0", nil, 1)
	none.Timestamp = metav1.Time{}
	add("no time", "m", nil, none)
	add("an empty selector", "m", &metav1.LabelSelector{}, pod("web-0", nil, 1))
	add("a label", "m", &metav1.LabelSelector{MatchLabels: map[string]string{"verb": "GET"}}, pod("web-0", nil, 1))
	add("labels", "m", &metav1.LabelSelector{MatchLabels: map[string]string{
		"verb": "GET", "app.kubernetes.io/name": "web", "": "", "a10": "1", "a9": "true", "A": "~"}}, pod("web-0", nil, 1))
	add("expressions", "m", &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{exists, absent, in, notIn}}, pod("web-0", nil, 1))
	add("labels and expressions", "m", &metav1.LabelSelector{
		MatchLabels:      map[string]string{"verb": "GET", "code": "200"},
		MatchExpressions: []metav1.LabelSelectorRequirement{in, absent}}, pod("web-0", window(minute), 1), pod("web-1", nil, 2))
	return all
}

func externalLists() []object {
	var all []object
	add := func(name, metric string, items ...external_metrics.ExternalMetricValue) {
		list := external_metrics.ExternalMetricValueList{Items: []external_metrics.ExternalMetricValue{}}
		for _, item := range items {
			item.MetricName = metric
			list.Items = append(list.Items, item)
		}
		gv := schema.GroupVersion{Group: externalGroup, Version: "v1beta1"}
		all = append(all, object{"external: " + name, gv, &list})
	}
	series := func(labels map[string]string, window *int64, milli int64) external_metrics.ExternalMetricValue {
		return external_metrics.ExternalMetricValue{
			MetricLabels:  labels,
			Timestamp:     at,
			WindowSeconds: window,
			Value:         *resource.NewMilliQuantity(milli, resource.DecimalSI),
		}
	}
	window := minute
	none := series(map[string]string{}, nil, 1)
	none.Timestamp = metav1.Time{}
	add("none", "queue_depth")
	add("one series", "queue_depth", series(map[string]string{"queue": "mail"}, nil, 42000))
	add("several series", "queue_depth",
		series(map[string]string{"queue": "mail", "az": "b"}, nil, 42000), series(map[string]string{}, &window, math.MaxInt64))
	add("many labels", "queue_depth", series(map[string]string{
		"queue": "mail", "a1": "yes", "a2": "1e3", "a10": "", "B": "x: y", "größe": "✓ 😀", "": "nothing", "no": "no",
		"two\nlines": "two\nlines", long: long, "a b": " ", "_x": "-1"}, &window, -1))
	add("no time", "queue_depth", none)
	add("a long label", "queue_depth", series(map[string]string{"queue": longer}, nil, 1))
	return all
}

func statuses() []object {
	var all []object
	add := func(name, message string, reason metav1.StatusReason, code int32, details *metav1.StatusDetails) {
		status := metav1.Status{
			Status: metav1.StatusFailure, Message: message, Reason: reason, Details: details, Code: code}
		all = append(all, object{"status: " + name, v1, &status})
	}
	add("no rule", "queue_depth of pods/web in namespace shop: no rule is configured for it; there are rules for services",
		metav1.StatusReasonNotFound, 404, nil)
	add("empty details", "the server could not find the requested resource", metav1.StatusReasonNotFound, 404, &metav1.StatusDetails{})
	add("details", `pods.custom.metrics.k8s.io "*" is forbidden: User "jane" cannot get resource "pods/queue_depth" in API group `+
		`"custom.metrics.k8s.io" in the namespace "shop"`,
		metav1.StatusReasonForbidden, 403, &metav1.StatusDetails{Name: "*", Group: customGroup, Kind: "pods"})
	add("no details", "Unauthorized", metav1.StatusReasonUnauthorized, 401, nil)
	add("method", "the server does not allow this method on the requested resource", metav1.StatusReasonMethodNotAllowed, 405, nil)
	add("bad request", `labelSelector: unable to parse requirement: expected a label value at byte 3, found "="`,
		metav1.StatusReasonBadRequest, 400, nil)
	add("not acceptable", "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
		metav1.StatusReasonNotAcceptable, 406, nil)
	add("unavailable", "queue_depth of services/web in namespace shop: GET http://127.0.0.1:1/metrics: connect: connection refused",
		metav1.StatusReasonServiceUnavailable, 503, nil)
	add("a bug", "Internal error occurred: a bug in metriclet; its log says where", metav1.StatusReasonInternalError, 500, nil)
	add("a large head", "the request's head is too large", metav1.StatusReasonRequestEntityTooLarge, 413, nil)
	add("other scripts", "größe: erwartet „✓“ 😀 <a&b>", metav1.StatusReasonServiceUnavailable, 503, nil)
	add("a long message", long+long+long, metav1.StatusReasonServiceUnavailable, 503, nil)
	// Metriclet never sends these.
	add("causes", "Internal error occurred: x", metav1.StatusReasonInternalError, 500, &metav1.StatusDetails{
		UID: "u", RetryAfterSeconds: 1,
		Causes: []metav1.StatusCause{{Type: metav1.CauseTypeUnexpectedServerResponse, Message: "x: y", Field: "f"}}})
	return all
}

func discovery() []object {
	version := func(group, name string) metav1.GroupVersionForDiscovery {
		return metav1.GroupVersionForDiscovery{GroupVersion: group + "/" + name, Version: name}
	}
	// The first version is the preferred one.
	group := func(name string, versions ...string) metav1.APIGroup {
		group := metav1.APIGroup{Name: name, PreferredVersion: version(name, versions[0])}
		for _, v := range versions {
			group.Versions = append(group.Versions, version(name, v))
		}
		return group
	}
	custom, external := group(customGroup, "v1beta2", "v1beta1"), group(externalGroup, "v1beta1")
	entry := func(name string, namespaced bool, kind string) metav1.APIResource {
		return metav1.APIResource{Name: name, Namespaced: namespaced, Kind: kind, Verbs: metav1.Verbs{"get"}}
	}
	list := func(version string, resources ...metav1.APIResource) runtime.Object {
		return &metav1.APIResourceList{GroupVersion: version, APIResources: resources}
	}
	const ofObjects, ofNone = "MetricValueList", "ExternalMetricValueList"
	return []object{
		{"discovery: groups", v1, &metav1.APIGroupList{Groups: []metav1.APIGroup{custom, external}}},
		{"discovery: custom", v1, &custom},
		{"discovery: external", v1, &external},
		{"discovery: custom metrics", v1, list(customGroup+"/v1beta1",
			entry("namespaces/quota", false, ofObjects), entry("pods/http_requests", true, ofObjects))},
		{"discovery: no custom metrics", v1, list(customGroup+"/v1beta2", entry("namespaces/custommetrics", false, ofObjects))},
		{"discovery: external metrics", v1, list(externalGroup+"/v1beta1", entry("queue_depth", true, ofNone), entry("size", true, ofNone))},
		{"discovery: no external metrics", v1, list(externalGroup+"/v1beta1", entry("externalmetrics", true, ofNone))},
	}
}
