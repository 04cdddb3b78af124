# shellcheck shell=sh disable=SC2034,SC2154
# Two kernels. The token is in the tests' bearerTokenFile.

begin() {
    pypi jupyter-server==2.21.1 ipykernel==7.4.0
    port=$(free_port)
    export HOME="$here" JUPYTER_PLATFORM_DIRS=1
    background "$bin/jupyter" server --allow-root --no-browser --ip 127.0.0.1 --port "$port" --port-retries 0 \
        --IdentityProvider.token=secret --ServerApp.root_dir="$here"
    page="http://127.0.0.1:$port/metrics?token=secret"
    answers "$page"
    for kernel in 1 2; do
        curl --silent --fail --noproxy '*' --request POST --header 'Authorization: token secret' "http://127.0.0.1:$port/api/kernels" >>log
    done
}

expected() {
    echo 'namespaces/shop/pods/web-0/jupyter_kernels 2'
}
