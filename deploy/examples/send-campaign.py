#!/usr/bin/python3
"""Sends a campaign and its devices over RabbitMQ, and prints what became of each device until the campaign has ended.

For an upstream system to start from. It needs pika (Debian: python3-pika).

usage: send-campaign.py URL CAMPAIGN.yaml DEVICES.txt
    URL            such as amqp://billing:SECRET@rabbit.internal:5672/reveille
    CAMPAIGN.yaml  a campaign document with `devices: {file: …}`
    DEVICES.txt    a device a line: its name, or msisdn:…, or imsi:…
"""
import json
import re
import sys

import pika

CHUNK = 1000  # the most devices of one message

url, campaign, devices = sys.argv[1:]
campaign = open(campaign).read()
devices = open(devices).read().split()
name, authority = (
    re.search(rf"^{key}: *(\S+)", campaign, re.MULTILINE)[1] for key in ("campaign", "authority")
)

parameters = pika.URLParameters(url)
user = parameters.credentials.username
channel = pika.BlockingConnection(parameters).channel()
channel.confirm_delivery()  # publishing fails unless the broker has the message

# Whoever listens before he sends misses nothing. A queue in earnest has a name of its own and is durable.
results = channel.queue_declare(f"{user}.{name}", exclusive=True).method.queue
for key in (f"results.{authority}.{name}", f"campaign.{authority}.{name}"):
    channel.queue_bind(results, "reveille.events", key)


def send(kind, key, message_id, body):
    """Puts one message in. Sent again under the same `message_id`, it changes nothing."""
    properties = pika.BasicProperties(
        type=kind, message_id=message_id, user_id=user, delivery_mode=2
    )
    channel.basic_publish("reveille.in", f"{key}.{authority}", body, properties, mandatory=True)


send("campaign.submit", "submit", name, campaign)
chunks = [devices[at : at + CHUNK] for at in range(0, len(devices), CHUNK)]
for part, chunk in enumerate(chunks):
    body = {"campaign": name, "part": part, "parts": len(chunks), "devices": chunk}
    send("campaign.chunk", "chunk", f"{name}-{part}", json.dumps(body))

seen, ended = set(), False
for delivered, _, body in channel.consume(results, inactivity_timeout=5):
    if delivered is None:  # nothing came for a while
        if ended:
            break
        continue
    event = json.loads(body)
    for result in event["data"].get("results", []):
        # Told at least once: a repeat has the same id.
        if result["id"] not in seen:
            seen.add(result["id"])
            print(result["device"], result["outcome"], flush=True)
    ended = ended or event["data"].get("state") == "ended"
    channel.basic_ack(delivered.delivery_tag)
    if ended and len(seen) >= len(devices):
        break
