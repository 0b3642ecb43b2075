"""The unmodified `openstack` command against the identity service, in each kind of cloud."""

from __future__ import annotations


def test_a_token_is_issued_and_revoked(cli):
    issued = cli.json("token issue")
    assert issued["project_id"]
    cli.run(f"token revoke {issued['id']}")
    cli.fails(f"--os-auth-type token --os-token {issued['id']} project list")


def test_the_catalog_names_every_service(cli):
    types = {entry["Type"] for entry in cli.json("catalog list")}
    assert {"identity", "image", "compute", "network", "volumev3", "block-storage", "ec2"} <= types
    assert cli.json("catalog show compute")["endpoints"]
    assert {"Identity", "identity"} & {row["Service Type"] for row in cli.json("versions show")}


def test_domains_projects_users_groups_and_roles(cli):
    domain = cli.json("domain create --description d dom1")["id"]
    cli.run("domain set --description other dom1")
    assert cli.json("domain show dom1")["description"] == "other"
    project = cli.json("project create --domain dom1 --description p --tag t1 proj1")["id"]
    cli.run(f"project set --name proj2 --property colour=blue {project}")
    assert cli.json(f"project show {project}")["name"] == "proj2"
    assert [row["ID"] for row in cli.json("project list --domain dom1")] == [project]
    user = cli.json(f"user create --domain dom1 --project {project} --password Pa55word --email a@b.c user1")["id"]
    cli.run(f"user set --description hello --email c@d.e {user}")
    assert cli.json(f"user show {user}")["email"] == "c@d.e"
    assert [row["ID"] for row in cli.json("user list --domain dom1")] == [user]
    group = cli.json("group create --domain dom1 --description g group1")["id"]
    cli.run(f"group add user {group} {user}")
    assert "in group" in cli.ask(f"group contains user {group} {user}")["out"]
    assert [row["ID"] for row in cli.json(f"user list --group {group}")] == [user]
    role = cli.json("role create role1")["id"]
    cli.run(f"role add --project {project} --user {user} {role}")
    cli.run(f"role add --domain {domain} --group {group} reader")
    assert len(cli.json(f"role assignment list --user {user} --project {project} --names")) == 1
    assert len(cli.json(f"role assignment list --effective --user {user} --domain {domain}")) >= 1
    cli.run(f"role remove --domain {domain} --group {group} reader")
    cli.run(f"role remove --project {project} --user {user} {role}")
    cli.run(f"group remove user {group} {user}")
    cli.run(f"group set --name group2 {group}")
    assert cli.json("group list --domain dom1")[0]["Name"] == "group2"
    for line in (f"group delete {group}", f"user delete {user}", f"project delete {project}", f"role delete {role}"):
        cli.run(line)
    cli.fails("domain delete dom1")  # enabled
    cli.run("domain set --disable dom1")
    cli.run("domain delete dom1")
    cli.fails("domain show dom1")


def test_a_new_user_logs_in_and_changes_the_password(cli):
    cli.run("project create people")
    cli.run("user create --password First-pa55 eva")
    cli.run("role add --project people --user eva member")
    as_eva = "--os-username eva --os-project-name people --os-password"
    assert cli.json(f"{as_eva} First-pa55 token issue")["project_id"]
    assert cli.json(f"{as_eva} First-pa55 server list") == []
    cli.run(f"{as_eva} First-pa55 user password set --original-password First-pa55 --password Second-pa55")
    cli.fails(f"{as_eva} First-pa55 token issue")
    cli.run(f"{as_eva} Second-pa55 token issue")
    cli.fails(f"{as_eva} Second-pa55 user list")
    cli.run("user set --disable eva")
    cli.fails(f"{as_eva} Second-pa55 token issue")
    cli.run("user delete eva")
    cli.run("project delete people")


def test_credentials_and_ec2_credentials(cli):
    made = cli.json("credential create --type cert admin '{\"a\": 1}'")["id"]
    assert cli.json(f"credential show {made}")["type"] == "cert"
    cli.run(f"credential set --user admin --type cert --data '{{\"a\": 2}}' {made}")
    assert made in [row["ID"] for row in cli.json("credential list --type cert")]
    cli.run(f"credential delete {made}")
    access = cli.json("ec2 credentials create")["access"]
    assert access in [row["Access"] for row in cli.json("ec2 credentials list")]
    assert cli.json(f"ec2 credentials show {access}")["secret"]
    cli.run(f"ec2 credentials delete {access}")


def test_application_credentials(cli):
    made = cli.json("application credential create --role reader --secret s3cret-word app1")
    assert made["ID"] in [row["ID"] for row in cli.json("application credential list")]
    assert cli.json("application credential show app1")["ID"] == made["ID"]
    cli.run("application credential delete app1")


def test_services_endpoints_and_regions(cli):
    cli.run("region create --description r region2")
    cli.run("region set --description other region2")
    assert cli.json("region show region2")["description"] == "other"
    service = cli.json("service create --name dns1 --description d dns")["id"]
    cli.run(f"service set --name dns2 {service}")
    assert service in [row["ID"] for row in cli.json("service list")]
    endpoint = cli.json(f"endpoint create --region region2 {service} public http://127.0.0.1:9001")["id"]
    cli.run(f"endpoint set --url http://127.0.0.1:9002 {endpoint}")
    assert cli.json(f"endpoint show {endpoint}")["url"] == "http://127.0.0.1:9002"
    assert [row["ID"] for row in cli.json("endpoint list --region region2")] == [endpoint]
    cli.fails("region delete region2")  # something is there
    for line in (f"endpoint delete {endpoint}", f"service delete {service}", "region delete region2"):
        cli.run(line)
