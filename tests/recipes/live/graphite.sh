# shellcheck shell=sh disable=SC2034,SC2154
# A series with two points, and none in the last two minutes.

begin() {
    # Graphite would install itself into /opt.
    export GRAPHITE_NO_PREFIX=True
    pypi graphite-web==1.1.10 whisper==1.1.10
    port=$(free_port)
    mkdir -p whisper/shop/queue logs
    cat >local_settings.py <<END
SECRET_KEY = 'x'
ALLOWED_HOSTS = ['*']
STORAGE_DIR = '$here'
WHISPER_DIR = '$here/whisper'
STANDARD_DIRS = [WHISPER_DIR]
LOG_DIR = '$here/logs'
INDEX_FILE = '$here/index'
CARBONLINK_HOSTS = []
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': '$here/graphite.db'}}
END
    export GRAPHITE_SETTINGS_MODULE=local_settings DJANGO_SETTINGS_MODULE=graphite.settings PYTHONPATH="$here"
    "$python" -c "
import time, whisper
path = 'whisper/shop/queue/mail.wsp'
whisper.create(path, [(60, 1440)])
for age, value in (180, 40), (120, 42):
    whisper.update(path, value, time.time() - age)
"
    background "$python" -c "
from wsgiref.simple_server import make_server
from graphite.wsgi import application
make_server('127.0.0.1', $port, application).serve_forever()
"
    page="http://127.0.0.1:$port/render?target=shop.queue.mail&from=-5min&format=json"
    answers "$page"
}

expected() {
    echo 'namespaces/shop/deployments.apps/mail-worker/queue_length 42'
}
