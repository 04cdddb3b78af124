//! Help texts, word for word.

pub(super) const ALL: &str = "\
Scales a plain Kubernetes HorizontalPodAutoscaler on any number that some HTTP endpoint serves.

Usage:
  metriclet [serve] [OPTIONS]    serve custom.metrics.k8s.io
  metriclet check FILE           say what is wrong with a configuration
  metriclet get PATH [OPTIONS]   answer one request and print the answer
  metriclet certs [OPTIONS]      make certificates for HTTPS
  metriclet probe [URL]          ask a server on this machine whether it is well

Options of serve:
  -c, --config FILE        sources and rules, in YAML
      --upstream URL       instead of a file: one page, each gauge under its own name
      --describes OBJECT   the one object that page is about
      --listen ADDRESS     loopback address and port, or off [127.0.0.1:8080]
  -v, --v[=LEVEL]          say more: -v, -vv, --v=2
  -h, --help               help; after a command, on that command
  -V, --version            version

Examples:
  metriclet                                   try it: its own /metrics page is the upstream
  metriclet --upstream http://localhost:9100/metrics --describes services/shop/web
  metriclet --config metrics.yaml
  metriclet check metrics.yaml

Exit codes: 0 done, 64 wrong usage, 65 unusable data, 66 no such file, 69 unavailable,
            70 a bug of ours, 73 cannot create a file, 78 wrong configuration
";

pub(super) const SERVE: &str = "\
Serves custom.metrics.k8s.io until SIGTERM or SIGINT.

Usage: metriclet [serve] [OPTIONS]

Options:
  -c, --config FILE        sources and rules, in YAML; read again when the file changes
      --upstream URL       instead of a file: one page, each gauge under its own name,
                           for the object that its labels name
      --describes OBJECT   the one object that page is about: RESOURCE/NAMESPACE/NAME, such as
                           services/shop/web or deployments.apps/shop/web; nodes/NAME
      --kubeconfig FILE    the Kubernetes API, outside a cluster
      --listen ADDRESS     plain HTTP: loopback address and port, or off [127.0.0.1:8080]
  -v, --v[=LEVEL]          say more: -v, -vv, --v=2
  -h, --help               this text

HTTPS, with both of the first two:
      --tls-cert-file FILE             certificate and its chain, PEM; read again when it changes
      --tls-private-key-file FILE      its key, PEM; likewise
      --secure-port PORT               port, 0 for any that is free [10250]
      --bind-address ADDRESS           address [:: or, without IPv6, 0.0.0.0]
      --tls-min-version VERSION        VersionTLS12 or VersionTLS13 [VersionTLS12]
      --max-connections NUMBER         open at a time, half of them unverified' [4096]
      --workers NUMBER                 threads for handshakes, and as many for quick answers [2]
      --shutdown-delay-duration TIME   how long to go on after SIGTERM, so that clients leave [10s]

Who may ask over HTTPS; without these, as the kube-apiserver of the cluster around says:
      --authentication-kubeconfig FILE, --authorization-kubeconfig FILE
                                       another one to ask who somebody is, or what they may
      --client-ca-file FILE            authorities that sign certificates of users, PEM
      --requestheader-client-ca-file FILE
                                       authorities that sign certificates of front proxies, PEM
      --requestheader-allowed-names NAMES
                                       common names that a front proxy may have [any]
      --requestheader-username-headers, --requestheader-group-headers, --requestheader-uid-headers,
      --requestheader-extra-headers-prefix NAMES
                                       headers by which it says who asks [X-Remote-…]
      --authorization-always-allow-paths PATHS
                                       open to anybody [/healthz,/livez,/readyz]; /* for all

Without --config and --upstream, outside a cluster, Metriclet's own /metrics page is the upstream.

Examples:
  metriclet
  metriclet --upstream http://localhost:9100/metrics --describes services/shop/web
  metriclet --config metrics.yaml --listen localhost:8081

Exit codes: 0 stopped when told to, 64 wrong usage, 66 no such file, 69 address unavailable,
            70 a bug of ours, 78 wrong configuration
";

pub(super) const CHECK: &str = "\
Says what is wrong with a configuration file: every problem at once, each with its line.

Usage: metriclet check FILE

Options:
  -h, --help               this text

An error stops a rule from being served; a warning tells what will surprise. Nothing is fetched.

Examples:
  metriclet check metrics.yaml

Exit codes: 0 no errors, 64 wrong usage, 66 no such file, 70 a bug of ours, 78 errors found
";

pub(super) const GET: &str = "\
Answers one request as the server would, and prints the answer.

Usage: metriclet get PATH [OPTIONS]

PATH is what follows /apis/custom.metrics.k8s.io/v1beta2/, or the whole path:
  namespaces/NAMESPACE/RESOURCE/NAME/METRIC    an object in a namespace; * for every one
  namespaces/NAMESPACE/metrics/METRIC          the namespace itself
  RESOURCE/NAME/METRIC                         an object in no namespace

Options:
  -o, --output FORMAT      table or json [table]
      --wait DURATION      how long to go on asking while there is no value, as with rates [0]
  -c, --config FILE        sources and rules, in YAML
      --upstream URL       instead of a file: one page, each gauge under its own name
      --describes OBJECT   the one object that page is about
      --kubeconfig FILE    the Kubernetes API, for pods and labelSelector, outside a cluster
  -v, --v[=LEVEL]          say more: -v, -vv, --v=2
  -h, --help               this text

Examples:
  metriclet get --config metrics.yaml namespaces/shop/services/web/queue_depth
  metriclet get -o json --upstream http://localhost:9100/metrics 'namespaces/shop/pods/*/load'

Exit codes: 0 answered, 64 wrong usage, 65 no such metric or no usable value, 66 no such file,
            69 upstream unavailable, 70 a bug of ours, 78 wrong configuration
";

pub(super) const CERTS: &str = "\
Makes a certificate for the secure listener, and the authority that the kube-apiserver is to trust.

Usage: metriclet certs --out DIRECTORY [--renew] | --secret NAME

Options:
      --out DIRECTORY     write tls.crt, tls.key and ca.crt there; print the caBundle
      --renew             replace these files; what ca.crt holds stays trusted
      --secret NAME       print a Secret of type kubernetes.io/tls instead; the caBundle to stderr
      --ca-file FILE      further authorities that stay trusted, such as the ca.crt before this one
      --service NAME      the Service in front [custom-metrics-apiserver]
      --namespace NAME    the Service's namespace [custom-metrics]
      --name NAME         a further DNS name or IP address; can be given several times
      --days DAYS         valid so long [365]
  -h, --help              this text

The authority's key is not kept: each renewal comes with an authority of its own. To renew without a
gap, first give the APIService the caBundle (the new authority and the old one), then the server the
new files.

Examples:
  metriclet certs --out certs --name localhost --name 127.0.0.1
  metriclet certs --out certs --renew
  metriclet certs --secret custom-metrics-apiserver-tls | kubectl apply -f -

Exit codes: 0 done, 64 wrong usage, 66 no such file, 70 a bug of ours, 73 cannot create a file
";

pub(super) const PROBE: &str = "\
Asks a server on this machine whether it is well: for probes in an image that holds nothing else.

Usage: metriclet probe [URL]

URL is on 127.0.0.1, [::1] or localhost [https://127.0.0.1:10250/readyz]. The server's certificate
is not verified: nobody else can be there.

Options:
  -h, --help               this text

Exit codes: 0 well, 64 wrong usage, 69 not well, or nobody answers
";
