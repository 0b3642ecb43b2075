"""RabbitMQ goes, comes, forgets, falls silent and says everything twice; accepted work is done all the same."""

from __future__ import annotations

import contextlib
import time

from kombu import Connection, Consumer

from iaas.common.rpc.rabbit import topology
from tools.chaos.cases import Breach, Case, Facts, Say
from tools.chaos.lab import Lab
from tools.chaos.load import Load, cut_often, running_load
from tools.chaos.republish import Republisher
from tools.chaos.state import live_jobs

RETURN = 15.0  # all that was accepted is done so soon after the broker is back
WELL = {200, 202, 204, 400, 404, 409}


def topics(lab: Lab) -> list[str]:
    workers = ("scheduler", "network", "compute", "volume")
    return [*workers, *(f"{worker}.{host}" for worker in workers for host in lab.cluster.hosts)]


def _done_since(lab: Lab, begun: float) -> float:
    """Wait until all work is done; return the seconds since ``begun``.

    :raises Breach: it takes longer than :data:`RETURN`.
    """
    while left := live_jobs(lab.cluster):
        if time.monotonic() - begun > RETURN:
            raise Breach(f"{len(left)} jobs are live {RETURN:.0f} s after the broker is back: {left[:5]}")
        time.sleep(0.1)
    return round(time.monotonic() - begun, 1)


def _away(lab: Lab, say: Say, seconds: float, *, killed: bool) -> Facts:
    """Take the broker away under load; the API must not notice."""
    book = lab.book
    with Load(lab) as load:
        running_load(lab, load)
        say(f"the broker is {'killed' if killed else 'stopped'} for {seconds:.0f} s")
        (lab.cluster.rabbit.kill if killed else lab.cluster.rabbit.stop)()
        before, seen = book.accepted("servers"), book.seen.copy()
        time.sleep(seconds)
        answers = book.seen - seen
        accepted = book.accepted("servers") - before
        lab.cluster.rabbit.start()
    begun = time.monotonic()
    if seconds >= 5 and accepted < 5:
        raise Breach(f"only {accepted} servers were accepted while the broker was away: {dict(answers)}")
    if not set(answers) <= WELL:
        raise Breach(f"answers while the broker was away: {dict(answers)}")
    return {"accepted meanwhile": accepted, "done after": _done_since(lab, begun)}


def purged(lab: Lab, say: Say, seconds: float = 6.0) -> Facts:
    """Throw every waiting message away, again and again, while the scheduler is down and its messages wait."""
    thrown = 0
    with Load(lab, pause=0.1) as load, Connection(lab.cluster.rabbit.url) as connection:
        running_load(lab, load)
        lab.cluster.kill("scheduler")
        channel, deadline = connection.channel(), time.monotonic() + seconds
        say("queues are purged")
        while time.monotonic() < deadline:
            for topic in topics(lab):
                try:
                    thrown += channel.queue_purge(topic)
                except connection.channel_errors:  # a queue nobody has declared closes the channel
                    channel = connection.channel()
        lab.cluster.restart("scheduler")
    if not thrown:
        raise Breach("no message waited to be thrown away")
    return {"messages thrown away": thrown, "done after": _done_since(lab, time.monotonic())}


def stolen(lab: Lab, say: Say, seconds: float = 10.0) -> Facts:
    """Take messages away from their workers: a consumer more on every topic gets its share and drops it."""
    taken: list[str] = []
    with Load(lab, pause=0.1) as load, Connection(lab.cluster.rabbit.url, heartbeat=10) as connection:
        running_load(lab, load)
        queues = [topology.topic_queue(topic) for topic in topics(lab)]
        with Consumer(connection.channel(), queues, no_ack=True, on_message=lambda message: taken.append("")):
            say("messages are stolen")
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                with contextlib.suppress(TimeoutError):
                    connection.drain_events(timeout=0.2)
    if not taken:
        raise Breach("no message was stolen")
    return {"messages stolen": len(taken), "done after": _done_since(lab, time.monotonic())}


def deleted(lab: Lab, say: Say) -> Facts:
    """Delete every queue under its consumers."""
    with Load(lab, pause=0.1) as load, Connection(lab.cluster.rabbit.url) as connection:
        running_load(lab, load)
        for _ in range(3):
            say("queues are deleted")
            for topic in topics(lab):
                connection.channel().queue_delete(topic)
            time.sleep(2)
    return {"done after": _done_since(lab, time.monotonic())}


def cut(lab: Lab, say: Say) -> Facts:
    """Reset every connection to the broker, once a second."""
    connections = cut_often(lab, say, lab.cluster.broker_proxy)
    return {"connections cut": connections, "done after": _done_since(lab, time.monotonic())}


def half_open(lab: Lab, say: Say, seconds: float = 15.0) -> Facts:
    """Let the network to the broker fall silent: nothing arrives and nothing is refused."""
    book = lab.book
    with Load(lab) as load:
        running_load(lab, load)
        say(f"the network to the broker is silent for {seconds:.0f} s")
        lab.cluster.broker_proxy.silence()
        seen = book.seen.copy()
        time.sleep(seconds)
        answers = book.seen - seen
        lab.cluster.broker_proxy.heal()
    if not set(answers) <= WELL:
        raise Breach(f"answers while the broker was silent: {dict(answers)}")
    return {"done after": _done_since(lab, time.monotonic())}


def fallen_silent(lab: Lab, say: Say) -> Facts:
    """Let every connection there is fall silent for good; new ones are answered, as after a failover."""
    with Load(lab) as load:
        running_load(lab, load)
        frozen = lab.cluster.broker_proxy.freeze()
        say(f"{frozen} connections to the broker have fallen silent")
        seen = lab.book.seen.copy()
        time.sleep(25)  # two heartbeats and a bit
        answers = lab.book.seen - seen
    if not set(answers) <= WELL:
        raise Breach(f"answers while the broker's connections were silent: {dict(answers)}")
    return {"connections silent": frozen, "done after": _done_since(lab, time.monotonic())}


def slow(lab: Lab, say: Say) -> Facts:
    """Every piece to and from the broker takes 0.3 s longer."""
    with Load(lab) as load:
        running_load(lab, load)
        say("the broker is slow")
        lab.cluster.broker_proxy.delay(0.3)
        time.sleep(8)
        lab.cluster.broker_proxy.heal()
    return {"done after": _done_since(lab, time.monotonic())}


def doubled(lab: Lab, say: Say) -> Facts:
    """Every ring is heard twice, the second time late and out of order."""
    with Load(lab, pause=0.1) as load, Republisher(lab.cluster.rabbit.url, topics(lab), lab.rng) as republisher:
        running_load(lab, load)
        say("rings are said twice")
        time.sleep(10)
    if not republisher.seen["copied"]:
        raise Breach("nothing was copied")
    return {"rings said twice": republisher.seen["copied"], "done after": _done_since(lab, time.monotonic())}


def cases(long: bool) -> list[Case]:
    outage = 60.0 if long else 10.0
    return [
        Case("broker", "restarted", lambda lab, say: _away(lab, say, 0, killed=False)),
        Case("broker", "kill -9", lambda lab, say: _away(lab, say, 2, killed=True)),
        Case("broker", "away", lambda lab, say: _away(lab, say, outage, killed=False)),
        Case("broker", "queues purged", purged),
        Case("broker", "messages stolen", stolen),
        Case("broker", "queues deleted", deleted),
        Case("broker", "connections cut", cut),
        Case("broker", "half-open", half_open),
        Case("broker", "connections fall silent", fallen_silent),
        Case("broker", "slow", slow),
        Case("broker", "messages twice and out of order", doubled),
    ]
