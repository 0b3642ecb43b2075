"""The unmodified `openstack` command against Compute, in each kind of cloud."""

from __future__ import annotations

import pytest

from tests.fixtures import cluster

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDe9r2X1i0a1TuX2nLn0ZlMlW0w1QpTgZgYpLx2vPpYv a@b"


@pytest.fixture
def gone(cli):
    """Delete the servers a test names, whatever became of it."""
    names: list[str] = []
    yield names
    for name in names:
        cli.ask(f"server delete {name}")


def test_flavors(cli):
    made = cli.json("flavor create --ram 256 --disk 2 --vcpus 2 --id auto --property hw:cpu_policy=shared f1")
    assert (made["ram"], made["disk"], made["vcpus"]) == (256, 2, 2)
    cli.run("flavor set --property a=b --description words f1")
    assert cli.json("flavor show f1")["properties"] == {"hw:cpu_policy": "shared", "a": "b"}
    cli.run("flavor unset --property a f1")
    assert "f1" in [row["Name"] for row in cli.json("flavor list --long")]
    cli.run("flavor create --private --ram 64 --disk 1 --vcpus 1 f2")
    project = cli.json("token issue")["project_id"]
    cli.run(f"flavor set --project {project} f2")
    assert project in cli.json("flavor show f2")["access_project_ids"]
    cli.run(f"flavor unset --project {project} f2")
    cli.run("flavor delete f1 f2")
    cli.fails("flavor show f1")


def test_keypairs(cli, tmp_path):
    file = tmp_path / "key.pub"
    file.write_text(PUBLIC_KEY + "\n")
    made = cli.json(f"keypair create --public-key {file} k1")
    private = tmp_path / "private"
    cli.run(f"keypair create --private-key {private} k2")
    assert private.read_text().startswith("-----BEGIN")
    assert {row["Name"] for row in cli.json("keypair list")} >= {"k1", "k2"}
    assert cli.json("keypair show k1")["fingerprint"] == made["fingerprint"]
    cli.run("keypair delete k1 k2")
    cli.fails("keypair show k1")


def test_what_the_cloud_is_made_of(cli):
    assert {row["Binary"] for row in cli.json("compute service list")} >= {"nova-compute", "nova-scheduler"}
    hypervisors = cli.json("hypervisor list --long")
    assert hypervisors
    assert {row["State"] for row in hypervisors} == {"up"}
    assert "nova" in {row["Zone Name"] for row in cli.json("availability zone list --compute")}
    assert cli.json("availability zone list --network") is not None
    assert cli.json("availability zone list --volume")
    assert cli.json("extension list --network")
    assert cli.json("extension list --compute") is not None
    assert {row["Binary"] for row in cli.json("network agent list")}
    assert {row["Binary"] for row in cli.json("volume service list")} >= {"cinder-volume"}
    assert "compute" in {row["Service Type"] for row in cli.json("versions show")}


def test_a_compute_service_is_disabled_and_enabled(cli):
    host = next(row["Host"] for row in cli.json("compute service list") if row["Binary"] == "nova-compute")
    cli.run(f"compute service set --disable --disable-reason maintenance {host} nova-compute")
    shown = next(row for row in cli.json("compute service list --long") if row["Binary"] == "nova-compute")
    assert (shown["Status"], shown["Disabled Reason"]) == ("disabled", "maintenance")
    cli.run(f"compute service set --enable {host} nova-compute")


def test_quotas_and_limits(cli):
    project = cli.json("project create quota-project")["id"]
    cli.run(f"quota set --instances 7 --cores 9 --volumes 5 --networks 3 {project}")
    shown = {row["Resource"]: row["Limit"] for row in cli.json(f"quota show {project}")}
    assert (shown["instances"], shown["cores"], shown["volumes"], shown["networks"]) == (7, 9, 5, 3)
    assert cli.json("quota show --default")
    assert cli.json(f"quota show --usage {project}")
    limits = {row["Name"] for row in cli.json("limits show --absolute")}
    assert {"instances", "instances_used", "max_total_volumes", "total_volumes_used"} <= limits, limits
    cli.run(f"project delete {project}")


@pytest.mark.parametrize("network", ["auto", "none", "net", "port"])
def test_a_server_lives_and_ends(cli, guest_image, gone, network):
    if network == "net":
        word = "--network shared"
    elif network == "port":
        port = cli.json("port create --network shared vm-port")
        word = f"--port {port['id']}"
    else:
        word = f"--nic {network}"
    name = f"vm-{network}"
    gone.append(name)
    made = cli.json(f"server create --image {guest_image} --flavor m1.nano {word} --property a=b --wait {name}")
    assert made["status"] == "ACTIVE"
    assert bool(made["addresses"]) == (network != "none")
    if network == "port":
        assert made["addresses"] == {"shared": [port["fixed_ips"][0]["ip_address"]]}
        assert cli.json("port show vm-port")["device_id"] == made["id"]
    listed = next(row for row in cli.json("server list --long") if row["ID"] == made["id"])
    assert (listed["Status"], listed["Power State"]) in (("ACTIVE", "Running"), ("ACTIVE", 1))
    cli.run(f"server delete --wait {name}")
    cli.fails(f"server show {name}")
    if network == "port":
        assert not cli.json("port show vm-port")["device_id"]
        cli.run("port delete vm-port")


def test_a_server_is_changed_stopped_started_and_rebooted(cli, guest_image, gone):
    gone.append("vm2")
    cli.run("keypair create work-key")
    made = cli.json(f"server create --image {guest_image} --flavor m1.nano --key-name work-key --nic none --wait vm1")
    server = made["id"]
    cli.run(f"server set --name vm2 --property c=d --description words {server}")
    shown = cli.json("server show vm2")
    assert (shown["name"], shown["properties"], shown["description"]) == ("vm2", {"c": "d"}, "words")
    assert shown["key_name"] == "work-key"
    cli.run("server unset --property c vm2")
    assert not cli.json("server show vm2")["properties"]
    cli.run("server stop vm2")
    cluster.until(lambda: cli.json("server show vm2")["status"] == "SHUTOFF", 30, "stopped")
    cli.fails("server stop vm2")
    cli.run("server start vm2")
    cluster.until(lambda: cli.json("server show vm2")["status"] == "ACTIVE", 30, "started")
    cli.run("server reboot --soft --wait vm2")
    cli.run("server reboot --hard --wait vm2")
    assert "login:" in cli.run("console log show vm2")
    events = cli.json("server event list vm2")
    assert {row["Action"] for row in events} == {"create", "stop", "start", "reboot"}
    create = next(row["Request ID"] for row in events if row["Action"] == "create")
    assert cli.json(f"server event show vm2 {create}")["action"] == "create"
    cli.run("server delete --wait vm2")
    cli.run("keypair delete work-key")


def test_a_server_that_fits_nowhere_says_why(cli, guest_image, gone):
    gone.append("vm-huge")
    cli.run("flavor create --ram 2147483 --disk 1 --vcpus 1000000 huge")
    cli.ask(f"server create --image {guest_image} --flavor huge --nic none vm-huge")
    cluster.until(lambda: cli.json("server show vm-huge")["status"] == "ERROR", 30, "in error")
    assert "No valid host" in str(cli.json("server show vm-huge")["fault"])
    cli.run("server delete --wait vm-huge")
    cli.run("flavor delete huge")
