"""`iaas-manage trace`: what became of a request, on a time line."""

from __future__ import annotations

from iaas.cmd.manage import trace
from iaas.common import runtime
from iaas.db import codec
from tests.fixtures.manage import _template, empty, manage
from tests.unit.cmd.test_manage_things import SERVER, boot, job

__all__ = ["_template", "empty", "manage"]
REQUEST = "req-11111111-2222-4333-8444-555555555555"


def event(name, start, finish, host=None, result="Success", details=None):
    return {"event": name, "start": start, "finish": finish, "result": result, "host": host, "details": details}


def done(manage, **values):
    at = runtime.time() - 100
    events = [event("scheduler_place", at + 0.5, at + 0.507), event("compute_start", at + 0.507, at + 2.0, "host1")]
    row = {"request_id": REQUEST, "created_at": at, "updated_at": at + 2, "step": "start", "events": codec.dump(events)}
    return job(manage, **{**row, **values})


def test_the_steps_of_a_request_are_drawn_with_hosts_durations_and_waits(manage):
    boot(manage, vm_state="active", task_state=None)
    done(manage, lease_until=0.0)
    text = manage.says("trace", REQUEST)
    assert f"build of instance {SERVER}" in text
    lines = {line.split("  ")[0].strip(): line for line in text.splitlines() if "·" in line or "█" in line}
    assert "500 ms" in lines["(waits)"]
    assert "7 ms" in lines["scheduler: place"]
    assert "host1" in lines["compute: start"]
    assert "1.49 s" in lines["compute: start"]
    assert "Success" in lines["compute: start"]


def test_a_server_means_its_latest_request_by_id_and_by_name(manage):
    boot(manage, name="web")
    done(manage)
    assert manage.json("trace", SERVER)["request"] == REQUEST
    assert manage.json("trace", "web")["request"] == REQUEST


def test_a_step_under_way_is_shown_with_its_lease(manage):
    boot(manage)
    done(manage, owner="compute.host1:abc", lease_until=runtime.time() + 20, attempt=2)
    live = manage.json("trace", REQUEST)["jobs"][0]["spans"][-1]
    assert live["kind"] == "live"
    assert live["result"].startswith("running, try 2, lease 1")
    assert "compute.host1:abc" in live["result"]


def test_a_job_nobody_works_on_says_where_it_waits(manage):
    boot(manage)
    done(manage, topic="compute.host9")
    assert manage.json("trace", REQUEST)["jobs"][0]["spans"][-1]["result"] == "waits at compute.host9"


def test_a_fault_is_shown(manage):
    boot(manage, vm_state="error", task_state=None)
    done(manage, error=codec.dump({"code": 500, "message": "The disk is full.", "step": "start"}))
    assert "fault in start: The disk is full." in manage.says("trace", REQUEST)
    assert manage.json("trace", REQUEST)["jobs"][0]["fault"] == {"step": "start", "message": "The disk is full."}


def test_what_was_never_asked_is_an_error_that_says_what_to_do(manage):
    for name in ("req-0", "nobody", SERVER):
        failed = manage.run("trace", name)
        assert failed.exit_code == 1
        assert f"No job belongs to '{name}'" in failed.output
        assert "x-openstack-request-id" in failed.output
        assert "job list" in failed.output


def test_a_bar_is_where_its_span_is_and_never_empty():
    def drawn(start, finish, kind="step"):
        return trace.bar({"kind": kind, "start": start, "finish": finish}, 0.0, 100.0)

    assert drawn(0, 100) == "█" * trace.WIDTH
    assert drawn(50, 100, "wait") == "·" * 20 + "░" * 20
    assert drawn(100, 100).endswith("·█")
    assert drawn(10, 10.0001).count("█") == 1
    assert len({len(drawn(a, b)) for a in range(0, 100, 7) for b in range(a, 100, 9)}) == 1


def test_durations_are_read_at_a_glance():
    said = {0.0071: "7 ms", 0.9994: "999 ms", 1.424: "1.42 s", 75.2: "1 min 15 s", 3725: "1 h 2 min"}
    assert {seconds: trace.length(seconds) for seconds in said} == said
