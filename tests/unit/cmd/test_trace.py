"""`iaas-manage trace`: what became of a request, on a time line."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from iaas.cmd.manage import trace
from iaas.common import runtime
from iaas.db import codec, volumes
from iaas.db.models.jobs import jobs
from tests.fixtures.manage import CTX, _template, empty, manage
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


def ended(manage, state, **values):
    job_id = done(manage, user_id="u", **values)
    change = sa.update(jobs).where(jobs.c.id == job_id).values(state=state, live_key=None)
    manage.database().write(CTX, lambda tx: tx.execute(change))


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


def spans(manage, number=0, request=REQUEST):
    return manage.json("trace", request)["jobs"][number]["spans"]


def test_the_time_line_begins_with_the_acceptance_by_the_api_and_ends_with_the_end(manage):
    boot(manage, name="web", vm_state="active", task_state=None)
    ended(manage, "done")
    text = manage.says("trace", REQUEST)
    assert [line.split("  ")[0].strip() for line in text.splitlines() if "·" in line] == [
        "api: accept", "(waits)", "scheduler: place", "compute: start", "end",
    ]  # fmt: skip
    facts = {line.split("   ")[0]: line.split("   ")[-1].strip() for line in text.splitlines()[:6]}
    assert facts["asked for"] == f"create of instance {SERVER}"
    assert facts["by"] == "user u of project p"
    assert f"build of instance {SERVER} (web): 2.00 s, of it 500 ms waiting" in text
    told = manage.json("trace", REQUEST)
    assert (told["user_id"], told["project_id"]) == ("u", "p")
    first, *_, last = told["jobs"][0]["spans"]
    assert (first["kind"], first["seconds"], first["result"]) == ("begin", 0, "create accepted")
    assert (last["kind"], last["result"]) == ("end", "done; the instance is active now")


def test_the_jobs_of_a_request_for_three_servers_are_on_one_time_line(manage):
    at = runtime.time() - 100
    for number in range(3):
        server = boot(manage, f"web-{number}", f"{number}{SERVER[1:]}", vm_state="active", task_state=None)
        events = [event("scheduler_place", at + number, at + number + 1)]
        ended(manage, "done", resource_id=server, created_at=at + number / 1000, updated_at=at + number + 1,
              events=codec.dump(events))  # fmt: skip
    text = manage.says("trace", REQUEST)
    assert "create of 3 instances" in text
    assert [line[:6] for line in text.splitlines() if "build of" in line] == ["1 of 3", "2 of 3", "3 of 3"]
    drawn = [line.split()[-2] for line in text.splitlines() if "scheduler: place" in line]
    assert [line.find("█") for line in drawn] == [0, 13, 26], "each where it is in the whole request"
    assert len(spans(manage, 2)) == 4


def test_a_deletion_that_waited_is_drawn_after_what_it_waited_for(manage):
    at = runtime.time() - 100
    ended(manage, "superseded", kind="reboot", action="reboot", created_at=at, updated_at=at + 1,
          events=codec.dump([event("compute_restart", at, at + 1, "host1", "Error")]),
          error=codec.dump({"step": "restart", "message": "It is being deleted."}))  # fmt: skip
    ended(manage, "done", kind="delete", action="delete", created_at=at + 2, updated_at=at + 3,
          events=codec.dump([event("compute_destroy", at + 2, at + 3, "host1")]))  # fmt: skip
    first, second = spans(manage, 0), spans(manage, 1)
    assert [span["name"] for span in first] == ["api: accept", "compute: restart", "end"]
    assert [span["name"] for span in second] == ["after reboot", "compute: destroy", "end"]
    assert second[0]["result"] == "delete, asked for meanwhile"
    assert second[-1]["result"] == "done; the instance is gone now"


def test_what_a_deletion_ended_at_once_says_so(manage):
    ended(manage, "superseded", events="[]", updated_at=runtime.time() - 100)
    assert spans(manage)[-1]["result"] == "superseded by a deletion, then or later; the instance is gone now"


def test_what_an_administrator_began_on_a_controller_was_not_accepted_by_an_api(manage):
    boot(manage)
    done(manage, project_id=None)
    assert "an administrator on a controller" in manage.says("trace", REQUEST)
    assert spans(manage)[0]["name"] == "controller: accept"


def test_a_volume_is_named_with_its_state(manage):
    now = runtime.time()
    volume = {"id": SERVER, "project_id": "p", "user_id": "u", "name": "di\x1bsk", "size_gb": 1, "status": "available",
              "zone": "nova", "metadata": "{}", "created_at": now, "updated_at": now}  # fmt: skip
    manage.database().write(CTX, lambda tx: volumes.add(tx, **volume))
    ended(manage, "done", kind="create_volume", resource_type="volume")
    assert f"create_volume of volume {SERVER} (di\\x1bsk): " in manage.says("trace", SERVER)
    assert spans(manage)[-1]["result"] == "done; the volume is available now"


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


@pytest.mark.parametrize(
    "damage", [{"events": "{nope"}, {"events": '[{"event": 1}]'}, {"error": "{nope"}, {"error": "[1]"}]
)
def test_a_job_whose_row_was_damaged_is_said_in_a_sentence(manage, damage):
    boot(manage)
    done(manage, **damage)
    assert "cannot be read: its row was changed by hand; see: iaas-manage doctor" in manage.refuses("trace", REQUEST)


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
