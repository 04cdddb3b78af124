package main

var customRoutes = []route{
	{"{resource}/{name}/{subresource}", "list_MetricValue", "Get a metric of objects that are in no namespace."},
	{"namespaces/{namespace}/metrics/{name}", "read_MetricValueForNamespace", "Get a metric of a namespace itself."},
	{"namespaces/{namespace}/{resource}/{name}/{subresource}", "list_NamespacedMetricValue", "Get a metric of objects in a namespace."},
}

var externalRoutes = []route{
	{"namespaces/{namespace}/{resource}", "list_ExternalMetricValue", "Get an external metric."},
}

var (
	customQueries   = []string{"labelSelector", "metricLabelSelector", "fieldSelector", "pretty"}
	externalQueries = []string{"labelSelector", "pretty"}
)

// parameters describes parameters of requests by name.
var parameters = map[string]string{
	"namespace":           "The namespace.",
	"resource":            "The plural name of a resource with its group, such as pods or deployments.apps; or the name of an external metric.",
	"name":                "The name of an object, or * for all that labelSelector selects; or the name of a metric.",
	"subresource":         "The name of the metric.",
	"labelSelector":       "Selects objects by their labels, or series of an external metric by theirs.",
	"metricLabelSelector": "Selects series by their labels.",
	"fieldSelector":       "Repeats the name in the path, as metadata.name=NAME.",
	"pretty":              "Whether JSON is indented.",
}

// descriptions describes definitions by kind, and their properties by kind and key, or by key alone.
var descriptions = map[string]string{
	"kind":       "The kind of this object.",
	"apiVersion": "The group and version of this object.",

	"MetricValueList":          "The values of a metric, one for each object.",
	"MetricValueList.metadata": "Is empty.",
	"MetricValueList.items":    "The values, sorted by object.",
	"MetricValue":              "The value of a metric for one object.",
	"describedObject":          "The object.",
	"metric":                   "The metric.",
	"MetricIdentifier":         "A metric, and which of its series.",
	"MetricIdentifier.name":    "The name of the metric.",
	"metricName":               "The name of the metric.",
	"selector":                 "The requested metricLabelSelector.",
	"timestamp":                "When the value was measured.",
	"window":                   "Over how many seconds the value was measured, for rates.",
	"windowSeconds":            "Over how many seconds the value was measured, for rates.",
	"value":                    "The value.",

	"ExternalMetricValueList":          "The values of an external metric, one for each set of labels.",
	"ExternalMetricValueList.metadata": "Is empty.",
	"ExternalMetricValueList.items":    "The values.",
	"ExternalMetricValue":              "A value of an external metric.",
	"metricLabels":                     "The labels of the series.",

	"ObjectReference":            "An object of the cluster.",
	"ObjectReference.kind":       "The kind of the object.",
	"ObjectReference.apiVersion": "The group and version of the object.",
	"ObjectReference.namespace":  "The namespace of the object, if it is in one.",
	"ObjectReference.name":       "The name of the object.",
	"uid":                        "Is not set.",
	"resourceVersion":            "Is not set.",
	"fieldPath":                  "Is not set.",

	"Quantity": "A number with an optional suffix: 1500m is 1.5.",
	"Time":     "A time of RFC 3339, in UTC.",

	"LabelSelector":                   "Selects by labels. All requirements must be met.",
	"matchLabels":                     "Labels with the value that each must have.",
	"matchExpressions":                "Further requirements.",
	"LabelSelectorRequirement":        "A requirement on one label.",
	"LabelSelectorRequirement.key":    "The name of the label.",
	"operator":                        "One of In, NotIn, Exists and DoesNotExist.",
	"LabelSelectorRequirement.values": "The values for In and NotIn.",

	"ListMeta":           "Metadata of a list.",
	"continue":           "Is not set.",
	"remainingItemCount": "Is not set.",
	"selfLink":           "Is not set.",
	"shardInfo":          "Is not set.",
	"ShardInfo":          "Which part of a list this is.",
	"ShardInfo.selector": "What selected this part.",

	"APIGroupList":                     "The groups.",
	"groups":                           "The groups.",
	"APIGroup":                         "A group.",
	"APIGroup.name":                    "The name of the group.",
	"versions":                         "The versions of the group, the preferred one first.",
	"preferredVersion":                 "The version that clients should use.",
	"serverAddressByClientCIDRs":       "Is not set.",
	"GroupVersionForDiscovery":         "A version of a group.",
	"GroupVersionForDiscovery.version": "The version.",
	"groupVersion":                     "The group and version.",
	"ServerAddressByClientCIDR":        "Where a server is.",
	"clientCIDR":                       "Is not set.",
	"serverAddress":                    "Is not set.",

	"APIResourceList":     "What a version of a group serves.",
	"resources":           "One entry for each metric that is configured.",
	"APIResource":         "A metric as a resource.",
	"APIResource.name":    "The resource and the metric, as pods/http_requests; or the name of an external metric.",
	"APIResource.kind":    "The kind of list that it answers with.",
	"APIResource.group":   "Is not set.",
	"APIResource.version": "Is not set.",
	"singularName":        "Is empty.",
	"namespaced":          "Whether it is requested in a namespace.",
	"verbs":               "Is get.",
	"shortNames":          "Is not set.",
	"categories":          "Is not set.",
	"storageVersionHash":  "Is not set.",
}
