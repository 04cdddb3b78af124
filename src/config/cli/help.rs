//! The help texts.

pub(super) const ALL: &str = "\
Lets a plain Kubernetes HorizontalPodAutoscaler scale on any number that an HTTP endpoint serves.

Usage:
  metriclet [serve] [OPTIONS]    serve custom.metrics.k8s.io and external.metrics.k8s.io
  metriclet check FILE           validate a configuration
  metriclet get PATH [OPTIONS]   answer one request and print the response
  metriclet explain hpa NAME     explain how an HPA comes to its replicas
  metriclet certs [OPTIONS]      make certificates for HTTPS
  metriclet convert ADAPTER …    convert another adapter's configuration
  metriclet rbac --config FILE   print the Roles that a configuration needs
  metriclet probe [URL]          check a local server's health

Options of serve:
  -c, --config FILE        sources and rules, in YAML
      --upstream URL       instead of a file: one page, each gauge under its own name
      --describes OBJECT   the one object that the page describes
      --listen ADDRESS     loopback address and port, or off [127.0.0.1:8080]
  -v, --v[=LEVEL]          log more: -v, -vv, --v=2
  -h, --help               this text; after a command, that command's help
  -V, --version            version

Examples:
  metriclet                                   try it on its own /metrics page
  metriclet --upstream http://localhost:9100/metrics --describes services/shop/web
  metriclet --config metrics.yaml
  metriclet check metrics.yaml
  metriclet check metrics.yaml --hpa hpa.yaml

Exit codes: 0 success, 64 usage error, 65 no usable value, 66 file not found, 69 unavailable,
            70 internal error, 73 cannot create a file, 78 configuration error
";

pub(super) const SERVE: &str = "\
Serves custom.metrics.k8s.io and external.metrics.k8s.io until SIGTERM or SIGINT.

Usage: metriclet [serve] [OPTIONS]

Options:
  -c, --config FILE        sources and rules, in YAML; reloaded when the file changes
      --upstream URL       instead of a file: one page, each gauge under its own name,
                           for the object that its labels name
      --describes OBJECT   the one object that the page describes: RESOURCE/NAMESPACE/NAME, such as
                           services/shop/web or deployments.apps/shop/web; or nodes/NAME
      --kubeconfig FILE    how to reach the Kubernetes API outside a cluster
      --listen ADDRESS     plain HTTP: loopback address and port, or off [127.0.0.1:8080]
  -v, --v[=LEVEL]          log more: -v, -vv, --v=2
  -h, --help               this text

HTTPS; the first two enable it:
      --tls-cert-file FILE             certificate chain, PEM; reloaded when it changes
      --tls-private-key-file FILE      its private key, PEM; reloaded when it changes
      --secure-port PORT               port; 0 picks a free one [10250]
      --bind-address ADDRESS           address [:: or, without IPv6, 0.0.0.0]
      --tls-min-version VERSION        VersionTLS12 or VersionTLS13 [VersionTLS12]
      --max-connections NUMBER         connections, at most half of them unverified [4096]
      --workers NUMBER                 acceptor threads, and as many connection threads [2]
      --shutdown-delay-duration TIME   how long to keep serving after SIGTERM [10s]
      --peer-service NAMESPACE/NAME    share samples over time with the other replicas behind this
                                       Service [off]
      --peer-ca-file FILE              authorities of their serving certificate, PEM
                                       [ca.crt beside --tls-cert-file]

Authentication and authorization over HTTPS; the defaults come from the cluster's kube-apiserver:
      --authentication-kubeconfig FILE, --authorization-kubeconfig FILE
                                       kubeconfigs for TokenReview and SubjectAccessReview
      --client-ca-file FILE            authorities of user certificates, PEM
      --requestheader-client-ca-file FILE
                                       authorities of front-proxy certificates, PEM
      --requestheader-allowed-names NAMES
                                       allowed common names of front proxies [any]
      --requestheader-username-headers, --requestheader-group-headers, --requestheader-uid-headers,
      --requestheader-extra-headers-prefix NAMES
                                       headers that name the user [X-Remote-…]
      --authorization-always-allow-paths PATHS
                                       paths without authorization [/healthz,/livez,/readyz]

Outside a cluster, without --config and --upstream, Metriclet reads its own /metrics page.

Examples:
  metriclet
  metriclet --upstream http://localhost:9100/metrics --describes services/shop/web
  metriclet --config metrics.yaml --listen localhost:8081

Exit codes: 0 stopped by a signal, 64 usage error, 69 address unavailable or listener failed,
            70 internal error, 78 configuration error
";

pub(super) const CHECK: &str = "\
Validates a configuration file and prints every problem with its line.

Usage: metriclet check FILE [OPTIONS]

Options:
      --hpa FILE           HPAs in YAML: warns about metrics that no rule serves, and about
                           workloads that would stay at zero replicas
  -h, --help               this text

An error disables a rule; a warning points out a likely surprise. check fetches no page, but
resolves the host names of URLs, to warn about replicas.

Examples:
  metriclet check metrics.yaml
  metriclet check metrics.yaml --hpa hpa.yaml

Exit codes: 0 no errors, 64 usage error, 66 file not found, 70 internal error, 78 errors found
";

pub(super) const GET: &str = "\
Answers one request as the server would, and prints the response.

Usage: metriclet get PATH [OPTIONS]

PATH is what follows /apis/custom.metrics.k8s.io/v1beta2/, or the whole path:
  namespaces/NAMESPACE/RESOURCE/NAME/METRIC    an object in a namespace; NAME may be *
  namespaces/NAMESPACE/metrics/METRIC          the namespace itself
  RESOURCE/NAME/METRIC                         a cluster-scoped object
  external/NAMESPACE/METRIC                    an external metric

Options:
  -o, --output FORMAT      table or json [table]
      --wait DURATION      how long to retry while the response is 503 [0]
  -c, --config FILE        sources and rules, in YAML
      --upstream URL       instead of a file: one page, each gauge under its own name
      --describes OBJECT   the one object that the page describes
      --kubeconfig FILE    how to reach the Kubernetes API, for pods and labelSelector
  -v, --v[=LEVEL]          log more: -v, -vv, --v=2
  -h, --help               this text

Examples:
  metriclet get --config metrics.yaml namespaces/shop/services/web/queue_depth
  metriclet get -o json --upstream http://localhost:9100/metrics 'namespaces/shop/pods/*/load'

Exit codes: 0 success, 64 usage error or 400, 65 no such metric or value (404),
            66 file not found, 69 unavailable (503), 70 internal error, 78 configuration error
";

pub(super) const EXPLAIN: &str = "\
Explains how an HPA comes to its replicas: for each metric the request, the answer and its source,
then the HPA controller's arithmetic and its limits.

Usage: metriclet explain hpa NAME [OPTIONS]
       metriclet explain --hpa FILE --config FILE [OPTIONS]

Options:
  -n, --namespace NAME     the HPA's namespace [default]
      --hpa FILE           HPAs in YAML, instead of one in the cluster
  -c, --config FILE        sources and rules; they answer the requests in this process, with fresh
                           fetches, instead of the server in the cluster
      --replicas NUMBER    assumed replicas, all ready, instead of the workload's own
  -l, --selector SELECTOR  labels of the workload's pods, for metrics of type Pods
      --kubeconfig FILE    how to reach the Kubernetes API; for hpa NAME the default is $KUBECONFIG
                           or ~/.kube/config
      --context NAME       context of the kubeconfig [the current one]
  -o, --output FORMAT      table or json [table]
      --wait DURATION      how long to retry while a response is 503 [0]
  -v, --v[=LEVEL]          log more: -v, -vv, --v=2
  -h, --help               this text

Examples:
  metriclet explain hpa web -n shop
  metriclet explain --hpa hpa.yaml --config metrics.yaml --replicas 3

Exit codes: 0 every metric has a value, 64 usage error, 65 a metric has none, 66 file not found,
            69 Kubernetes API unavailable, 70 internal error, 78 configuration error
";

pub(super) const CERTS: &str = "\
Makes a certificate for the secure listener, and the authority for the APIService's caBundle.

Usage:
  metriclet certs --out DIRECTORY [--renew] | --secret NAME
  metriclet certs renew [OPTIONS]    renew the certificate in a cluster, see its --help

Options:
      --out DIRECTORY     write tls.crt, tls.key and ca.crt there; print the caBundle
      --renew             replace these files; authorities in ca.crt stay trusted
      --secret NAME       print a Secret of type kubernetes.io/tls instead; the caBundle to stderr
      --ca-file FILE      further authorities that stay trusted, such as the previous ca.crt
      --service NAME      the Service that the certificate is for [custom-metrics-apiserver]
      --namespace NAME    the Service's namespace [custom-metrics]
      --name NAME         a further DNS name or IP address; may be repeated
      --days DAYS         validity in days [365]
  -h, --help              this text

The authority's key is not kept: each renewal creates a new authority. To renew without a gap, first
update the APIService's caBundle (the new and the old authority), then the server's files. In a
cluster, metriclet certs renew does both.

Examples:
  metriclet certs --out certs --name localhost --name 127.0.0.1
  metriclet certs --out certs --renew
  metriclet certs --secret custom-metrics-apiserver-tls | kubectl apply -f -

Exit codes: 0 success, 64 usage error, 66 file not found, 70 internal error,
            73 cannot create a file
";

pub(super) const RENEW: &str = "\
Renews the serving certificate in a cluster, step by step: each run does what is due, or nothing.
Run it daily, as the component certificate-renewal does. It may be interrupted, or run several times
at once.

Usage: metriclet certs renew [OPTIONS]

Options:
      --secret NAME         the Secret with the certificate [custom-metrics-apiserver-tls]
      --service NAME        the Service that it is for [custom-metrics-apiserver]
      --namespace NAME      the namespace of both [custom-metrics]
      --name NAME           a further DNS name or IP address; may be repeated
      --days DAYS           validity of a new certificate in days [365]
      --renew-before TIME   how long before it expires to renew it [30d, at most a third of --days]
      --settle TIME         how long replicas and kube-apiservers may take to notice a change [10m]
      --kubeconfig FILE     how to reach the Kubernetes API [the pod's service account, or outside a
                            cluster $KUBECONFIG or ~/.kube/config]
      --context NAME        the kubeconfig's context [its current one]
  -h, --help                this text

Steps:
  1. adds the authority of the next certificate to ca.crt in the Secret and to the caBundle of the
     APIServices, which still contain the old one
  2. in a run at least --settle later: replaces tls.crt and tls.key
  3. in a run after the old authority has expired: removes it

The next certificate keeps the current names; --name adds to them (but starts no renewal).
No authority's key is kept. A certificate that has expired is replaced at once. A certificate from
cert-manager or another authority is not changed. Each run also checks its permissions by a dry run,
and that this clock is within 5 minutes of the API server's.

Examples:
  metriclet certs renew
  metriclet certs renew --renew-before 90d --context production

Exit codes: 0 success or nothing to do, 64 usage error, 69 not possible now, 70 internal error,
            78 configuration error
";

pub(super) const CONVERT: &str = "\
Prints the configuration that replaces another adapter's; remarks go to stderr.

Usage:
  metriclet convert prometheus-adapter FILE --hpas FILE --prometheus URL [OPTIONS]
  metriclet convert kube-metrics-adapter --hpas FILE [OPTIONS]
  metriclet convert keda FILE... [OPTIONS]

FILE is prometheus-adapter's configuration or its ConfigMap, or ScaledObjects. What HPAs request, or
ScaledObjects scale on, is converted.

Options:
      --hpas FILE          HPAs in YAML, as kubectl get hpa -A -o yaml prints; may be repeated
      --prometheus URL     the server, as in --prometheus-url or --prometheus-server of the adapter
      --write-hpas FILE    create a file with the HPAs that go with the configuration: those without
                           annotations of kube-metrics-adapter, or those in place of ScaledObjects
  -n, --namespace NAME     the namespace of objects without one
      --series FILE        names of series, one per line, or Prometheus' response to
                           /api/v1/label/__name__/values: for rules on series of many names
  -h, --help               this text

Errors show what cannot be converted, and warnings what differs. Nothing is guessed.

Examples:
  metriclet convert prometheus-adapter adapter.yaml --hpas hpas.yaml \\
    --prometheus http://prometheus.monitoring.svc:9090 >metrics.yaml
  metriclet convert keda scaledobjects.yaml --write-hpas hpas.yaml >metrics.yaml

Exit codes: 0 success, 64 usage error, 65 something cannot be converted, 66 file not found,
            70 internal error, 73 cannot create a file
";

pub(super) const RBAC: &str = "\
Prints the Roles and bindings that a configuration needs for the requests of HPAs.

Usage: metriclet rbac --config FILE [OPTIONS]

Options:
  -c, --config FILE            sources and rules, in YAML
      --service-account NAME   the service account that serves them [custom-metrics-apiserver]
  -n, --namespace NAME         the service account's namespace [custom-metrics]
      --hpas                   also the right to list HPAs, for the status page
  -h, --help                   this text

A rule for all namespaces needs a ClusterRole; others need a Role in each namespace.
These namespaces must exist.

Examples:
  metriclet rbac --config metrics.yaml | kubectl apply -f -

Exit codes: 0 success, 64 usage error, 66 file not found, 70 internal error, 78 configuration error
";

pub(super) const PROBE: &str = "\
Checks a local server's health, for exec probes in a scratch image.

Usage: metriclet probe [URL]

URL is on 127.0.0.1, [::1] or localhost [https://127.0.0.1:10250/readyz]. The server's certificate
is not verified, as the connection does not leave this machine.

Options:
  -h, --help               this text

Exit codes: 0 healthy, 64 usage error, 69 unhealthy or no response
";
