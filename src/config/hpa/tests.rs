//! Valid and invalid HPAs with one configuration.

use super::*;
use crate::config::file;

const CONFIG: &str = "\
sources:
  broker: {url: 'http://broker.mq.svc/q', format: json, namespaces: [shop]}
  self: {url: 'http://web.shop.svc:8080/metrics', namespaces: [shop], single: true}
  each: {url: 'http://{name}.{namespace}.svc/metrics', namespaces: [shop]}
  app: {pods: {port: 80}}
  mine: {pods: {namespace: shop, selector: app=web, port: 80}}
  other: {pods: {namespace: mq, selector: app=web, port: 80}, namespaces: [shop]}
metrics:
  - {name: depth, object: services, source: broker, value: $.depth, describes: {namespace: shop, name: web}}
  - {name: depth, object: services, source: other, value: sum(x), describes: {namespace: shop, name: mail}}
  - {name: busy, object: services, source: self, value: sum(busy)}
  - {name: level, object: deployments.apps, source: each}
  - {name: load, object: pods, source: app}
  - {name: waiting, object: [services, deployments.apps], source: app}
  - {name: seen, object: services, source: mine}
  - {name: queued, object: services, source: other}
  - {name: Queue_Lag, external: true, source: broker, value: $.lag}
";

fn hpa(min: u32, metrics: &str) -> String {
    format!(
        "# HPAs\n---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {{name: web, namespace: shop}}\n\
         spec:\n  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: web}}\n  minReplicas: {min}\n  metrics:\n{metrics}  \
         maxReplicas: 9\n"
    )
}

fn object(kind: &str, name: &str, metric: &str) -> String {
    format!(
        "    - {{type: Object, object: {{describedObject: {{kind: {kind}, name: {name}}}, metric: {{name: {metric}}}, \
         target: {{type: Value, value: 9}}}}}}\n"
    )
}

fn messages(file: &str) -> Vec<String> {
    let config = file::load(CONFIG.as_bytes(), &Limits::default()).config;
    check(file.as_bytes(), &config, &Limits::default()).iter().map(ToString::to_string).collect()
}

#[test]
fn finds_workloads_that_stay_at_zero() {
    let pods = "    - {type: Pods, pods: {metric: {name: load}, target: {type: AverageValue, averageValue: 9}}}\n";
    let external = "    - {type: External, external: {metric: {name: queue_lag}, target: {type: Value, value: 9}}}\n";
    let disappears = |column: usize, metric: &str, source: &str| {
        format!(
            "10:{column}: warning: metric \"{metric}\": its source \"{source}\" is the scaled workload itself: at zero \
             replicas it is gone, the metric fails, and the workload stays at zero"
        )
    };
    for (min, metrics, expected) in [
        (0, object("Service", "web", "depth"), vec![]),
        (0, external.to_owned(), vec![]),
        (0, object("Service", "web", "busy"), vec![disappears(91, "busy", "self")]),
        (1, object("Service", "web", "busy"), vec![]),
        (0, object("Deployment", "web", "level"), vec![disappears(94, "level", "each")]),
        (0, object("Deployment", "broker", "level"), vec![]),
        (0, format!("{external}{pods}"), vec![]),
        (0, object("Deployment", "web", "waiting"), vec![disappears(94, "waiting", "app")]),
        (0, object("Service", "queue", "waiting"), vec![]),
        (0, object("Service", "web", "seen"), vec![disappears(91, "seen", "mine")]),
        (0, object("Service", "web", "queued"), vec![]),
        (
            0,
            pods.to_owned(),
            vec![
                "8:16: warning: minReplicas: 0 needs a metric of type Object or External; at zero there are no pods to measure"
                    .to_owned(),
            ],
        ),
    ] {
        assert_eq!(messages(&hpa(min, &metrics)), expected, "{metrics}");
    }
}

#[test]
fn finds_metrics_without_a_rule() {
    let unknown = object("Service", "web", "dept");
    assert_eq!(
        messages(&hpa(1, &unknown)),
        ["10:91: warning: metric \"dept\": there is no rule for an object of kind \"Service\""]
    );
    let in_bank = |metric: &str| {
        messages(&hpa(1, &object("Service", "web", metric)).replace("namespace: shop", "namespace: bank"))
    };
    assert_eq!(
        in_bank("busy"),
        ["10:91: warning: metric \"busy\": namespace \"bank\" is not among the namespaces of its rule or source"]
    );
    // Two rules for different objects.
    let undescribed = "10:91: warning: metric \"depth\": there is no rule that describes \"Service\" \"web\"";
    assert_eq!(in_bank("depth"), [undescribed]);
    assert_eq!(messages(&hpa(0, &object("Service", "mail", "depth"))), Vec::<String>::new());
    assert_eq!(
        messages(&hpa(1, &object("Service", "db", "depth"))),
        [undescribed.replace("web", "db").replace(":91", ":90")]
    );
    let list = "kind: List\nitems:\n  - kind: HorizontalPodAutoscaler\n    spec: {scaleTargetRef: {name: w}, metrics: [{type: \
                External, external: {metric: {name: x}, target: {value: 9}}}], maxReplicas: 1}\n";
    assert_eq!(messages(list), ["4:92: warning: metric \"x\": there is no rule with external: true"]);
    assert_eq!(
        messages("kind: Service\n"),
        ["1:1: error: expected a HorizontalPodAutoscaler of autoscaling/v2, found none"]
    );
    assert!(messages("---\na: [\n")[0].contains("error: "), "{:?}", messages("---\na: [\n"));
}

#[test]
fn checks_every_rule_for_a_metric() {
    let config = "\
sources:
  a: {url: 'http://a.mq.svc/q', format: json, namespaces: [shop]}
  self: {url: 'http://web.shop.svc/q', format: json, namespaces: [shop, bank]}
metrics:
  - {name: depth, object: services, source: a, value: $.depth, describes: {namespace: shop, name: mail}}
  - {name: depth, object: services, source: self, value: $.depth, describes: {namespace: shop, name: web}}
  - {name: depth, object: services, source: self, value: $.depth, describes: {namespace: bank, name: web}}
";
    let config = file::load(config.as_bytes(), &Limits::default()).config;
    let messages = |file: String| {
        let found = check(file.as_bytes(), &config, &Limits::default());
        found.iter().map(|problem| problem.message.clone()).collect::<Vec<_>>()
    };
    // The second rule describes it, and its source is the workload.
    let of_itself = messages(hpa(0, &object("Service", "web", "depth")));
    assert!(of_itself.len() == 1 && of_itself[0].contains("source \"self\" is the scaled workload"), "{of_itself:?}");
    assert_eq!(messages(hpa(0, &object("Service", "mail", "depth"))), [""; 0]);
    // The source of a later rule allows the namespace, unlike that of the first.
    let elsewhere = |metric: &str| hpa(1, metric).replace("namespace: shop", "namespace: bank");
    assert_eq!(messages(elsewhere(&object("Service", "web", "depth"))), [""; 0]);
    assert_eq!(
        messages(hpa(1, &object("Service", "sms", "depth"))),
        ["metric \"depth\": there is no rule that describes \"Service\" \"sms\""]
    );
    let nowhere = hpa(1, &object("Service", "web", "depth")).replace("namespace: shop", "namespace: nowhere");
    assert_eq!(messages(nowhere), ["metric \"depth\": there is no rule that describes \"Service\" \"web\""]);
}

#[test]
fn finds_every_document() {
    let of = |metric: &str| {
        format!(
            "{{kind: HorizontalPodAutoscaler, spec: {{scaleTargetRef: {{name: w}}, metrics: [{{type: External, external: \
             {{metric: {{name: {metric}}}, target: {{value: 9}}}}}}], maxReplicas: 1}}}}"
        )
    };
    let file = format!(
        "# first\r\n--- # second\r\nkind: Service\r\n---  \n{}\n...\n--- {}\n---\n...\n--- |\n  ---\n  text\n---\n",
        of("x"),
        of("y")
    );
    assert_eq!(
        messages(&file),
        [
            "5:120: warning: metric \"x\": there is no rule with external: true",
            "7:124: warning: metric \"y\": there is no rule with external: true",
        ]
    );
    // kubectl sets the namespace, and a list determines the kind of its items.
    let unsaid = hpa(0, &object("Service", "web", "busy")).replace(", namespace: shop", "");
    assert_eq!(messages(&unsaid).len(), 1, "{:?}", messages(&unsaid));
    assert!(messages(&unsaid)[0].contains("is the scaled workload itself"), "{:?}", messages(&unsaid));
    let list = "kind: HorizontalPodAutoscalerList\nitems: [{spec: {scaleTargetRef: {name: w}, metrics: [{type: External, external: {metric: {name: x}, target: {value: 9}}}], maxReplicas: 1}}]\n";
    assert_eq!(messages(list), ["2:97: warning: metric \"x\": there is no rule with external: true"]);
}

#[test]
fn reports_everything_that_is_skipped() {
    for (metric, expected) in [
        (
            "{type: external, external: {metric: {name: x}}}",
            "10:14: error: expected type: Pods, Object, External, Resource or ContainerResource",
        ),
        (
            "{external: {metric: {name: x}}}",
            "10:7: error: expected type: Pods, Object, External, Resource or ContainerResource",
        ),
        ("{type: Pods, pods: {metricName: load}}", "10:7: error: expected pods.metric.name, as in autoscaling/v2"),
        (
            "{type: External, external: {metric: {name: [x]}}}",
            "10:7: error: expected external.metric.name, as in autoscaling/v2",
        ),
        (
            "{type: Object, object: {metric: {name: depth}, describedObject: {kind: Service}}}",
            "10:7: error: expected object.describedObject with kind and name, as in autoscaling/v2",
        ),
    ] {
        assert_eq!(messages(&hpa(0, &format!("    - {metric}\n"))), [expected], "{metric}");
    }
    let target = "type: AverageValue and averageValue";
    for (metric, fields) in [
        ("{type: Pods, pods: {metric: {name: load}, target: {type: Value, value: 1}}}", target.to_owned()),
        (
            "{type: External, external: {metric: {name: queue_lag}, target: {type: Value, value: 0}}}",
            format!("type: Value and value, or {target}"),
        ),
        ("{type: Resource, resource: {name: cpu}}", format!("type: Utilization and averageUtilization, or {target}")),
    ] {
        let found = messages(&hpa(1, &format!("    - {metric}\n")));
        let expected = format!("error: expected a target above zero with {fields}");
        assert!(found.len() == 1 && found[0].ends_with(&expected), "{metric}: {found:?}");
    }
    let cpu = "    - {type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}\n";
    assert_eq!(messages(&hpa(1, cpu)), Vec::<String>::new());
    for (from, to, expected) in [
        ("maxReplicas: 9", "", "3:1: error: expected spec.maxReplicas of 1 or more"),
        ("maxReplicas: 9", "maxReplicas: 0", "11:16: error: expected spec.maxReplicas of 1 or more"),
        ("minReplicas: 1", "minReplicas: 10", "11:16: error: expected spec.maxReplicas of 10 (minReplicas) or more"),
        ("minReplicas: 1", "minReplicas: -1", "8:16: error: expected spec.minReplicas of 0 or more"),
    ] {
        assert_eq!(messages(&hpa(1, cpu).replace(from, to)), [expected], "{to}");
    }
    let untargeted = hpa(1, "").replace("name: web}\n  minR", "nam: web}\n  minR");
    assert_eq!(messages(&untargeted), ["3:1: error: expected spec.scaleTargetRef.name"]);
}
