// Prints what Kubernetes' own HPA controller decides on a table of HPAs, workloads and values, a line of JSON for each.
// tests/autoscaling compares Metriclet's arithmetic with it. It runs the controller itself, with stand-ins for the API server
// and for the metrics; each HPA has a namespace of its own and is looked at once.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/scale"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

// Cases is how many are made up.
const Cases = 500

// Values are those of one metric, in thousandths; none: it cannot be read.
type Values struct {
	Pods     map[string]int64 `json:"pods,omitempty"`
	Object   *int64           `json:"object,omitempty"`
	External []int64          `json:"external,omitempty"`
}

// Pod is one that the selector selects. A line has its phase, then whether it is ready and leaving; the name of the first is web-0.
type Pod struct {
	Name, Phase    string
	Ready, Leaving bool
}

// MarshalJSON writes a pod as a line has it.
func (pod Pod) MarshalJSON() ([]byte, error) {
	words := pod.Phase
	if pod.Ready {
		words += " ready"
	}
	if pod.Leaving {
		words += " leaving"
	}
	return json.Marshal(words)
}

// Case is a line: what there is, and what the controller made of it.
type Case struct {
	HPA      any      `json:"hpa"`
	Replicas int32    `json:"replicas"`
	Present  int32    `json:"present"`
	Pods     []Pod    `json:"pods"`
	Values   []Values `json:"values"`

	// Desired is what it set, or left.
	Desired int32 `json:"desired"`
	// Active is the reason of its condition ScalingActive, and Limited of ScalingLimited while that is true.
	Active  string `json:"active"`
	Limited string `json:"limited,omitempty"`

	hpa     *autoscaling.HorizontalPodAutoscaler
	changed bool
}

func pointer[T any](value T) *T { return &value }

func main() {
	klog.SetOutput(os.Stderr)
	klog.LogToStderr(false)
	cases := made()
	decide(cases)
	out := json.NewEncoder(os.Stdout)
	for _, one := range cases {
		if err := out.Encode(one); err != nil {
			panic(err)
		}
	}
}

// made makes up the cases, the same ones each time.
func made() []*Case {
	random := rand.New(rand.NewPCG(37, 2))
	var cases []*Case
	for len(cases) < Cases {
		cases = append(cases, one(random))
	}
	return cases
}

func pick[T any](random *rand.Rand, from ...T) T { return from[random.IntN(len(from))] }

func one(random *rand.Rand) *Case {
	made := &Case{}
	made.Replicas = pick[int32](random, 0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 10, 16)
	made.Present = made.Replicas
	if random.IntN(6) == 0 {
		made.Present = pick[int32](random, 0, 1, 3, 9)
	}
	min := pick[int32](random, 0, 1, 1, 1, 2, 3)
	spec := autoscaling.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
		MinReplicas:    &min,
		MaxReplicas:    pick[int32](random, 3, 6, 20, 100, math.MaxInt32),
	}
	if random.IntN(2) == 0 {
		spec.Behavior = behavior(random)
	}
	for range made.Replicas {
		pod := Pod{Name: fmt.Sprintf("web-%d", len(made.Pods)), Phase: "Running", Ready: random.IntN(6) > 0}
		switch random.IntN(14) {
		case 0, 1:
			pod.Phase, pod.Ready = "Pending", false
		case 2:
			pod.Phase = "Failed"
		case 3:
			pod.Phase = "Succeeded"
		case 4:
			pod.Leaving = true
		}
		made.Pods = append(made.Pods, pod)
	}
	for range 1 + random.IntN(2) {
		spec.Metrics = append(spec.Metrics, made.metric(random, len(spec.Metrics)))
	}
	made.hpa = &autoscaling.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec:       spec,
	}
	if made.Replicas == 0 && random.IntN(4) > 0 {
		condition := autoscaling.HorizontalPodAutoscalerCondition{Type: "ScaledToZero", Status: v1.ConditionTrue}
		made.hpa.Status.Conditions = []autoscaling.HorizontalPodAutoscalerCondition{condition}
	}
	made.HPA = map[string]any{"kind": "HorizontalPodAutoscaler", "spec": spec}
	if made.hpa.Status.Conditions != nil {
		made.HPA.(map[string]any)["status"] = map[string]any{"conditions": made.hpa.Status.Conditions}
	}
	return made
}

func behavior(random *rand.Rand) *autoscaling.HorizontalPodAutoscalerBehavior {
	rules := func(policies ...autoscaling.HPAScalingPolicy) *autoscaling.HPAScalingRules {
		// As the API server fills in what is left out.
		rules := &autoscaling.HPAScalingRules{StabilizationWindowSeconds: pointer[int32](0), Policies: policies}
		rules.SelectPolicy = pointer(pick(random, autoscaling.MaxChangePolicySelect, autoscaling.MaxChangePolicySelect,
			autoscaling.MinChangePolicySelect, autoscaling.DisabledPolicySelect))
		if text := pick(random, "", "", "0", "0.05", "0.2", "15m", "0.0125", "1", "0.333"); text != "" {
			rules.Tolerance = pointer(resource.MustParse(text))
		}
		if random.IntN(2) == 0 {
			kind := pick(random, autoscaling.PodsScalingPolicy, autoscaling.PercentScalingPolicy)
			value := pick[int32](random, 1, 2, 10, 33, 50, 150)
			rules.Policies = []autoscaling.HPAScalingPolicy{{Type: kind, Value: value, PeriodSeconds: 60}}
		}
		if random.IntN(3) == 0 {
			second := autoscaling.HPAScalingPolicy{Type: autoscaling.PodsScalingPolicy, Value: 3, PeriodSeconds: 15}
			rules.Policies = append(rules.Policies, second)
		}
		return rules
	}
	percent := autoscaling.HPAScalingPolicy{Type: autoscaling.PercentScalingPolicy, Value: 100, PeriodSeconds: 15}
	pods := autoscaling.HPAScalingPolicy{Type: autoscaling.PodsScalingPolicy, Value: 4, PeriodSeconds: 15}
	return &autoscaling.HorizontalPodAutoscalerBehavior{ScaleUp: rules(pods, percent), ScaleDown: rules(percent)}
}

// metric makes up a metric and its values.
func (made *Case) metric(random *rand.Rand, number int) autoscaling.MetricSpec {
	goal := pick[int64](random, 1, 100, 1_500, 10_000, 20_000, 7_777_777)
	// Around what changes nothing, and far from it.
	value := func(each int64) int64 {
		base := float64(goal) * float64(each)
		factor := pick(random, 0, 0.001, 0.3, 0.5, 0.89, 0.9, 0.95, 1, 1.05, 1.1, 1.11, 1.5, 2, 2.1, 3.3, 17, -0.5)
		return int64(math.Round(base*factor)) + pick[int64](random, -1, 0, 0, 1)
	}
	identifier := autoscaling.MetricIdentifier{Name: fmt.Sprintf("metric-%d", number)}
	target := func(average bool) autoscaling.MetricTarget {
		quantity := resource.NewMilliQuantity(goal, resource.DecimalSI)
		if average {
			return autoscaling.MetricTarget{Type: autoscaling.AverageValueMetricType, AverageValue: quantity}
		}
		return autoscaling.MetricTarget{Type: autoscaling.ValueMetricType, Value: quantity}
	}
	average, fails := random.IntN(2) == 0, random.IntN(12) == 0
	replicas := int64(max(made.Replicas, 1))
	each := int64(1)
	if average {
		each = replicas
	}
	var values Values
	var spec autoscaling.MetricSpec
	switch random.IntN(3) {
	case 0:
		values.Pods = map[string]int64{}
		for _, pod := range made.Pods {
			if random.IntN(8) > 0 {
				values.Pods[pod.Name] = value(1)
			}
		}
		if random.IntN(8) == 0 {
			values.Pods["another"] = value(1)
		}
		fails = fails || len(values.Pods) == 0
		spec = autoscaling.MetricSpec{Type: autoscaling.PodsMetricSourceType,
			Pods: &autoscaling.PodsMetricSource{Metric: identifier, Target: target(true)}}
	case 1:
		values.Object = pointer(value(each))
		spec = autoscaling.MetricSpec{Type: autoscaling.ObjectMetricSourceType, Object: &autoscaling.ObjectMetricSource{
			DescribedObject: autoscaling.CrossVersionObjectReference{APIVersion: "v1", Kind: "Service", Name: "web"},
			Metric:          identifier, Target: target(average)}}
	default:
		for range 1 + random.IntN(3) {
			values.External = append(values.External, value(each))
		}
		// Beyond 64 bits, where a number of replicas is bounded.
		if random.IntN(20) == 0 && (average || made.Replicas > 0) {
			values.External = append(values.External, math.MaxInt64)
		}
		spec = autoscaling.MetricSpec{Type: autoscaling.ExternalMetricSourceType,
			External: &autoscaling.ExternalMetricSource{Metric: identifier, Target: target(average)}}
	}
	if fails {
		values = Values{}
	}
	made.Values = append(made.Values, values)
	return spec
}

// decide lets the controller look at every case once.
func decide(cases []*Case) {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	server := standIn{cases: map[string]*Case{}}
	var objects []runtime.Object
	for number, one := range cases {
		namespace := fmt.Sprintf("case-%d", number)
		server.cases[namespace] = one
		one.hpa.Namespace = namespace
		objects = append(objects, one.hpa)
		for _, pod := range one.Pods {
			objects = append(objects, pod.object(namespace))
		}
	}
	client := fake.NewSimpleClientset(objects...)
	var mutex sync.Mutex
	done, left := make(chan struct{}), len(cases)
	seen := map[string]bool{}
	client.PrependReactor("update", "horizontalpodautoscalers", func(action clienttesting.Action) (bool, runtime.Object, error) {
		hpa := action.(clienttesting.UpdateAction).GetObject().(*autoscaling.HorizontalPodAutoscaler)
		mutex.Lock()
		defer mutex.Unlock()
		if !seen[hpa.Namespace] {
			seen[hpa.Namespace] = true
			server.cases[hpa.Namespace].note(hpa.Status.Conditions)
			if left--; left == 0 {
				close(done)
			}
		}
		return true, hpa, nil
	})
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{appsv1.SchemeGroupVersion})
	mapper.Add(appsv1.SchemeGroupVersion.WithKind("Deployment"), meta.RESTScopeNamespace)
	factory := informers.NewSharedInformerFactory(client, 0)
	// The tolerance is the default one; nothing of the past holds anything back.
	controller := podautoscaler.NewHorizontalController(ctx, client.CoreV1(), server, client.AutoscalingV2(), mapper, server,
		factory.Autoscaling().V2().HorizontalPodAutoscalers(), factory.Core().V1().Pods(), time.Millisecond, 0, 0.1, 0, 0)
	factory.Start(ctx.Done())
	go controller.Run(ctx, 4)
	select {
	case <-done:
	case <-time.After(5 * time.Minute):
		panic(fmt.Sprintf("%d cases were not looked at", left))
	}
	mutex.Lock()
	defer mutex.Unlock()
}

func (pod Pod) object(namespace string) *v1.Pod {
	ready := v1.ConditionFalse
	if pod.Ready {
		ready = v1.ConditionTrue
	}
	object := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: namespace, Labels: map[string]string{"app": "web"}},
		Status: v1.PodStatus{Phase: v1.PodPhase(pod.Phase),
			Conditions: []v1.PodCondition{{Type: v1.PodReady, Status: ready}}},
	}
	if pod.Leaving {
		object.DeletionTimestamp, object.Finalizers = &metav1.Time{Time: time.Unix(0, 0)}, []string{"test/none"}
	}
	return object
}

// note takes down what the controller says of its first look.
func (one *Case) note(conditions []autoscaling.HorizontalPodAutoscalerCondition) {
	if !one.changed {
		one.Desired = one.Replicas
	}
	for _, condition := range conditions {
		switch {
		case condition.Type == autoscaling.ScalingActive:
			one.Active = condition.Reason
		case condition.Type == autoscaling.ScalingLimited && condition.Status == v1.ConditionTrue:
			one.Limited = condition.Reason
		}
	}
}

// standIn knows the scales and the metrics of all cases.
type standIn struct{ cases map[string]*Case }

type scaleOf struct{ *Case }

func (server standIn) Scales(namespace string) scale.ScaleInterface {
	return scaleOf{server.cases[namespace]}
}

func (one scaleOf) Get(_ context.Context, _ schema.GroupResource, name string, _ metav1.GetOptions) (*autoscalingv1.Scale, error) {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       autoscalingv1.ScaleSpec{Replicas: one.Replicas},
		Status:     autoscalingv1.ScaleStatus{Replicas: one.Present, Selector: "app=web"},
	}, nil
}

func (one scaleOf) Update(_ context.Context, _ schema.GroupResource, scale *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if !one.changed {
		one.changed, one.Desired = true, scale.Spec.Replicas
	}
	return scale, nil
}

func (one scaleOf) Patch(context.Context, schema.GroupVersionResource, string, types.PatchType, []byte, metav1.PatchOptions) (*autoscalingv1.Scale, error) {
	return nil, errors.New("not expected")
}

func (server standIn) values(namespace, metric string) (Values, error) {
	var number int
	if _, err := fmt.Sscanf(metric, "metric-%d", &number); err != nil {
		return Values{}, err
	}
	values := server.cases[namespace].Values[number]
	if values.Pods == nil && values.Object == nil && values.External == nil {
		return values, errors.New("it cannot be read")
	}
	return values, nil
}

func (server standIn) GetResourceMetric(context.Context, v1.ResourceName, string, labels.Selector, string) (metrics.PodMetricsInfo, time.Time, error) {
	return nil, time.Time{}, errors.New("not expected")
}

func (server standIn) GetRawMetric(name, namespace string, _, _ labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	values, err := server.values(namespace, name)
	info := metrics.PodMetricsInfo{}
	for pod, value := range values.Pods {
		info[pod] = metrics.PodMetric{Value: value, Window: time.Minute}
	}
	return info, time.Time{}, err
}

func (server standIn) GetObjectMetric(name, namespace string, _ *autoscaling.CrossVersionObjectReference, _ labels.Selector) (int64, time.Time, error) {
	values, err := server.values(namespace, name)
	if err != nil {
		return 0, time.Time{}, err
	}
	return *values.Object, time.Time{}, nil
}

func (server standIn) GetExternalMetric(name, namespace string, _ labels.Selector) ([]int64, time.Time, error) {
	values, err := server.values(namespace, name)
	return values.External, time.Time{}, err
}
