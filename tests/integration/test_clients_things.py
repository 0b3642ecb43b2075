"""The unmodified `openstack` command against images, networks and volumes, in each kind of cloud."""

from __future__ import annotations

from tests.fixtures import cluster


def test_images(cli, tmp_path):
    file = tmp_path / "disk.raw"
    file.write_bytes(b"abc" * 5000)
    base = "image create --disk-format raw --container-format bare"
    made = cli.json(f"{base} --min-disk 1 --property os_distro=debian --tag t1 --file {file} i1")
    assert (made["status"], made["size"]) == ("active", 15000)
    cli.run("image set --name i2 --property c=d --tag t2 --min-ram 64 --protected i1")
    shown = cli.json("image show i2")
    assert (shown["min_ram"], shown["protected"], sorted(shown["tags"])) == (64, True, ["t1", "t2"])
    assert (shown["properties"]["os_distro"], shown["properties"]["c"]) == ("debian", "d")
    cli.fails("image delete i2")
    cli.run("image unset --property c --tag t2 i2")
    cli.run("image set --unprotected --shared i2")
    saved = tmp_path / "saved"
    cli.run(f"image save --file {saved} i2")
    assert saved.read_bytes() == file.read_bytes()
    project = cli.json("project create image-people")["id"]
    cli.run(f"image add project i2 {project}")
    assert [row["Member ID"] for row in cli.json("image member list i2")] == [project]
    cli.run(f"image remove project i2 {project}")
    cli.run(f"project delete {project}")
    cli.run("image set --deactivate i2")
    cli.run("image set --activate i2")
    assert "i2" in [row["Name"] for row in cli.json("image list --long --shared")]
    cli.run("image delete i2")
    cli.fails("image show i2")


def test_networks_subnets_and_ports(cli):
    net = cli.json("network create --description d --mtu 1400 n1")["id"]
    cli.run("network set --name n2 --disable n1")
    shown = cli.json("network show n2")
    assert (shown["admin_state_up"], shown["mtu"]) == (False, 1400)
    cli.run("network set --enable n2")
    subnet = cli.json(
        "subnet create --network n2 --subnet-range 10.77.0.0/24 --gateway 10.77.0.1 --dns-nameserver 9.9.9.9 "
        "--allocation-pool start=10.77.0.10,end=10.77.0.20 s1"
    )
    assert subnet["allocation_pools"] == [{"start": "10.77.0.10", "end": "10.77.0.20"}]
    cli.run("subnet set --name s2 --dns-nameserver 8.8.8.8 s1")
    assert sorted(cli.json("subnet show s2")["dns_nameservers"]) == ["8.8.8.8", "9.9.9.9"]
    assert [row["ID"] for row in cli.json(f"subnet list --network {net}")] == [subnet["id"]]
    port = cli.json(f"port create --network n2 --fixed-ip subnet={subnet['id']},ip-address=10.77.0.15 p1")
    assert port["fixed_ips"] == [{"subnet_id": subnet["id"], "ip_address": "10.77.0.15"}]
    cli.fails(f"port create --network n2 --fixed-ip subnet={subnet['id']},ip-address=10.77.0.15 p2")
    cli.run("port set --name p2 --description words p1")
    assert [row["Name"] for row in cli.json(f"port list --network {net}")] == ["p2"]
    assert cli.json("port show p2")["description"] == "words"
    cli.fails("network delete n2")  # a port is there
    for line in ("port delete p2", "subnet delete s2", "network delete n2"):
        cli.run(line)
    cli.fails("network show n2")


def test_security_groups_and_rules(cli):
    group = cli.json("security group create --description d g1")["id"]
    cli.run("security group set --name g2 g1")
    rule = cli.json("security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8 g2")
    assert (rule["protocol"], rule["port_range_min"], rule["port_range_max"]) == ("tcp", 22, 23)
    cli.fails("security group rule create --protocol tcp --dst-port 22:23 --remote-ip 10.0.0.0/8 g2")
    cli.run(f"security group rule create --ingress --protocol icmp --remote-group {group} g2")
    assert rule["id"] in [row["ID"] for row in cli.json("security group rule list g2")]
    assert cli.json(f"security group rule show {rule['id']}")["direction"] == "ingress"
    cli.run(f"security group rule delete {rule['id']}")
    port = cli.json("port create --network shared --security-group g2 sg-port")
    assert port["security_group_ids"] == [group]
    cli.fails("security group delete g2")
    cli.run("port delete sg-port")
    cli.run("security group delete g2")
    assert "default" in [row["Name"] for row in cli.json("security group list")]


def test_volumes_and_their_types(cli):
    made = cli.json("volume create --size 1 --description d --property a=b v1")
    assert made["size"] == 1
    cluster.until(lambda: cli.json("volume show v1")["status"] == "available", 30, "the volume is made")
    cli.run("volume set --name v2 --property c=d v1")
    shown = cli.json("volume show v2")
    assert shown["properties"] == {"a": "b", "c": "d"}
    cli.run("volume unset --property c v2")
    assert made["id"] in [row["ID"] for row in cli.json("volume list --long")]
    assert cli.json("volume type list")
    cli.run("volume type create --description t --property x=y type1")
    assert "type1" in [row["Name"] for row in cli.json("volume type list")]
    assert cli.json("volume type show type1")["properties"] == {"x": "y"}
    cli.run("volume type set --property x=z type1")
    cli.run("volume type delete type1")
    cli.run("volume delete v2")
    cluster.until(lambda: made["id"] not in cli.run("volume list"), 30, "the volume is gone")
