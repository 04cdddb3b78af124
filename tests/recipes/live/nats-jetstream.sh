# shellcheck shell=sh disable=SC2034,SC2154
# Twelve messages, of which a worker has received five and acknowledged two.

begin() {
    debian nats-server nats-server
    pypi nats-py==2.16.0
    port=$(free_port) http=$(free_port)
    cat >nats.conf <<END
listen: "127.0.0.1:$port"
http: "127.0.0.1:$http"
jetstream { store_dir: "$here/jetstream" }
END
    background nats-server -c nats.conf
    answers "http://127.0.0.1:$http/healthz"
    "$python" -c "
import asyncio, nats

async def main():
    client = await nats.connect('nats://127.0.0.1:$port')
    stream = client.jetstream()
    await stream.add_stream(name='ORDERS', subjects=['orders.>'])
    worker = await stream.pull_subscribe('orders.>', 'workers', stream='ORDERS')
    for _ in range(12):
        await stream.publish('orders.new', b'order')
    for message in (await worker.fetch(5))[:2]:
        await message.ack_sync()
    await client.close()

asyncio.run(main())
"
    page="http://127.0.0.1:$http/jsz?consumers=true"
}

expected() {
    echo 'namespaces/shop/services/nats/jetstream_pending_messages 10'
}
