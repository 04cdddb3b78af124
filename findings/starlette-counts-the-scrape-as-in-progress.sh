#!/bin/sh
# starlette_exporter 0.24.0 (PyPI) counts the scrape itself among the requests in progress: the gauge is never 0.
#
# Behaviour: the middleware increments the gauge before it calls any route, the page's own included, and decrements it afterwards.
# So what a scraper reads is 1 at least. skip_paths, which keeps the page out of the counters, keeps it out of this gauge too.
# Why it matters: an idle Deployment of N pods has a sum of N. An HPA with a target of one or two requests in progress for each
# pod never reaches its minimum, and one that scales to zero never does.
# Source: starlette_exporter/middleware.py, PrometheusMiddleware.__call__.
# Seen: the output below.
set -eu
# shellcheck source=common.sh
. "$(dirname -- "$(realpath -- "$0")")/common.sh"
needs python3
python3 -m venv venv
venv/bin/pip install --quiet starlette_exporter==0.24.0 starlette==1.10.0 httpx==0.28.1

cat >show.py <<'END_OF_PYTHON'
import asyncio
import warnings

warnings.simplefilter("ignore")
import httpx
from starlette.applications import Starlette
from starlette_exporter import PrometheusMiddleware, handle_metrics


async def page(**options):
    app = Starlette()
    app.add_middleware(PrometheusMiddleware, **options)
    app.add_route("/metrics", handle_metrics)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        return (await client.get("/metrics")).text


for options in {"prefix": "plain"}, {"prefix": "skipping", "skip_paths": ["/metrics"]}:
    text = asyncio.run(page(**options))
    print([line for line in text.splitlines() if line.startswith(f"{options['prefix']}_requests_in_progress")])
END_OF_PYTHON
expect starlette_exporter "['plain_requests_in_progress{app_name=\"starlette\",method=\"GET\"} 1.0']
[]" "$(venv/bin/python show.py)"
