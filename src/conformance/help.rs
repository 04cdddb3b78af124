//! The help text.

pub(super) const TEXT: &str = "\
Tests whether a server of custom.metrics.k8s.io or external.metrics.k8s.io responds as Kubernetes'
clients require, through kube-apiserver or directly, and prints a table. It works with any server,
and changes nothing on it.

Usage: metriclet-conformance --kubeconfig FILE | --server URL [OPTIONS] [CHECK...]

CHECK selects the checks whose IDs start with it, such as routes or routes.object.

Server:
      --kubeconfig FILE        through kube-apiserver, as the user of this kubeconfig
      --context NAME           a context other than the current one
      --server URL             https://HOST:PORT, or http:// on this machine
      --server-name NAME       the name in the server's certificate [the URL's host]
      --ca-file FILE           authorities of the server's certificate, PEM [public ones]
      --cert-file FILE         client certificate chain, PEM
      --key-file FILE          its private key, PEM
      --token-file FILE        bearer token

Metrics with values; all options except --namespace and --hook may be repeated. By default, the
metrics in discovery are tried in one namespace.
      --namespace NAMESPACE    the namespace of tried metrics, and of unknown ones [default]
      --object PATH            namespaces/NAMESPACE/RESOURCE/NAME/METRIC
      --pods PODS              NAMESPACE/METRIC[?SELECTOR], of the selected pods
      --root-scoped PATH       RESOURCE/NAME/METRIC, of a cluster-scoped object
      --namespace-metric PATH  NAMESPACE/METRIC, of the namespace itself
      --external PATH          NAMESPACE/METRIC[?SELECTOR], of the External Metrics API
      --hook COMMAND           a shell command that sets the first --object or, without one, the
                               first --external to the number in METRICLET_VALUE

Identities; each adds checks:
      --unauthenticated                  also without credentials, and with an invalid token
      --unauthorized-token-file FILE     token of a user without permissions
      --custom-reader-token-file FILE    token of a user who may only get these custom metrics
      --external-reader-token-file FILE  token of a user who may only list these external metrics

Output:
  -o, --output FORMAT          table or json [table]
      --list                   print the checks without running them
  -h, --help                   this text
  -V, --version                version

Examples:
  metriclet-conformance --kubeconfig ~/.kube/config --pods 'shop/queue_depth?app=web'
  metriclet-conformance --server http://127.0.0.1:8080 --namespace shop

Exit codes: 0 all required checks pass, 1 a required check fails, 64 usage error,
            69 no response from the server, 70 internal error, 78 the kubeconfig cannot be used
";
