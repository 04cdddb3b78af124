#!/bin/sh
# k8s.io/kubernetes v1.37.2 (Go module): an Object metric with a target of type Value scales down as pods become unready.
#
# Behaviour: for `target: {type: Value}` the HPA controller multiplies the ratio of value and target by the number of pods that
# are ready, not by the number of replicas. For `type: AverageValue` it divides the value by the target and looks at no pod.
# Why it matters: ten pods are overloaded by half, and five of them fail their readiness probes for it. The HPA wants eight
# instead of fifteen and takes pods away; with none ready it wants 0, and scales down to minReplicas. An AverageValue of the same
# metric wants fifteen throughout.
# Source: kubernetes, pkg/controller/podautoscaler/replica_calculator.go, getUsageRatioReplicaCount, getReadyPodsCount and
# GetObjectPerPodMetricReplicas.
# Seen: the output below, for a value of 150 against Value 100, or against AverageValue 10, with ten replicas.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
go_modules k8s.io/kubernetes@v1.37.2
# kubernetes takes its own parts from its source tree; here they are the modules of the same release.
GOPATH=$folder/go go mod download -json k8s.io/kubernetes@v1.37.2 >download.json 2>/dev/null
sed -n 's|^[[:space:]]*\([a-z0-9./-]*\) => \./staging/.*|replace \1 => \1 v0.37.2|p' \
    go/pkg/mod/cache/download/k8s.io/kubernetes/@v/v1.37.2.mod >>go.mod

cat >main.go <<'END'
package main

import (
	"fmt"
	"log"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// backlog serves one value of one object, in thousandths.
type backlog struct {
	metrics.MetricsClient
	value int64
}

func (b backlog) GetObjectMetric(string, string, *autoscaling.CrossVersionObjectReference, labels.Selector) (int64, time.Time, error) {
	return b.value, time.Time{}, nil
}

func tenPods(ready int) listers.PodLister {
	pods := cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})
	for i := range 10 {
		condition := core.PodCondition{Type: core.PodReady, Status: core.ConditionFalse}
		if i < ready {
			condition.Status = core.ConditionTrue
		}
		pod := core.Pod{ObjectMeta: meta.ObjectMeta{Namespace: "shop", Name: fmt.Sprint("web-", i)}}
		pod.Status = core.PodStatus{Phase: core.PodRunning, Conditions: []core.PodCondition{condition}}
		if err := pods.Add(&pod); err != nil {
			log.Fatal(err)
		}
	}
	return listers.NewPodLister(pods)
}

func main() {
	var tolerances podautoscaler.Tolerances
	service := &autoscaling.CrossVersionObjectReference{Kind: "Service", Name: "web"}
	all := labels.Everything()
	for _, ready := range []int{10, 5, 0} {
		calculator := podautoscaler.NewReplicaCalculator(backlog{value: 150_000}, tenPods(ready), time.Minute, time.Minute)
		value, _, _, err := calculator.GetObjectMetricReplicas(10, 100_000, "backlog", tolerances, "shop", service, all, all)
		if err != nil {
			log.Fatal(err)
		}
		average, _, _, err := calculator.GetObjectPerPodMetricReplicas(10, 10_000, "backlog", tolerances, "shop", service, all)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%d ready: Value %d, AverageValue %d\n", ready, value, average)
	}
}
END
expect 'the HPA' '10 ready: Value 15, AverageValue 15
5 ready: Value 8, AverageValue 15
0 ready: Value 0, AverageValue 15' "$(run_go)"
