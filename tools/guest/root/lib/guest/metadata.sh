# Who am I: from a config drive, then from the metadata service. What is found is left in $STATE:
#   instance-id local-ipv4 hostname ec2-key (EC2 tree), openstack (flattened meta_data.json), user-data
# Attempts are bounded: a guest that nobody answers is ready all the same.
SERVICE=http://169.254.169.254
ANSWER_S=4
PATIENCE_S=6

# fetch PATH FILE: busybox 1.35 wget crashes with -T, so timeout(1) watches it.
fetch() {
    timeout $ANSWER_S wget -q -O "$STATE/part" "$SERVICE/$1" 2>/dev/null && mv "$STATE/part" "$STATE/$2"
}

fact() { cat "$STATE/$1" 2>/dev/null; }

# openstack_fact PATH: one value of meta_data.json.
openstack_fact() {
    [ -s "$STATE/openstack" ] && awk -F '\t' -v path="$1" '$1 == path { print $2; exit }' "$STATE/openstack"
}

from_config_drive() {
    drive=$(findfs LABEL=config-2 2>/dev/null || findfs LABEL=CONFIG-2 2>/dev/null) || return
    mkdir -p /mnt/config
    mount -o ro -t iso9660 "$drive" /mnt/config 2>/dev/null ||
        mount -o ro -t vfat "$drive" /mnt/config 2>/dev/null || { say "configdrive $drive unreadable"; return 1; }
    tree=/mnt/config/openstack/latest
    [ -r $tree/meta_data.json ] && awk -f /lib/guest/flatten.awk $tree/meta_data.json >"$STATE/openstack"
    [ -r $tree/user_data ] && cp $tree/user_data "$STATE/user-data"
    say "configdrive $drive uuid=$(openstack_fact uuid) files=$(find /mnt/config -type f | wc -l)"
}

from_ec2_tree() {
    fetch latest/meta-data/instance-id instance-id || return
    fetch latest/meta-data/local-ipv4 local-ipv4
    fetch latest/meta-data/local-hostname hostname || fetch latest/meta-data/hostname hostname
    say "ec2 instance-id=$(fact instance-id) local-ipv4=$(fact local-ipv4) hostname=$(fact hostname)"
    fetch latest/meta-data/public-keys/0/openssh-key ec2-key
    [ -s "$STATE/user-data" ] || fetch latest/user-data user-data
    return 0
}

from_openstack_tree() {
    fetch openstack/latest/meta_data.json meta_data.json || return
    awk -f /lib/guest/flatten.awk "$STATE/meta_data.json" >"$STATE/openstack"
    say "openstack uuid=$(openstack_fact uuid) name=$(openstack_fact name)"
    [ -s "$STATE/user-data" ] || fetch openstack/latest/user_data user-data
    return 0
}

# from_service SECONDS: ask both trees until one answers or the time is up; asks at least once.
from_service() {
    read -r now _ </proc/uptime
    until_s=$((${now%.*} + $1)) found=
    while :; do
        from_ec2_tree && found=yes
        from_openstack_tree && found=yes
        [ -z "$found" ] || return 0
        read -r now _ </proc/uptime
        [ ${now%.*} -lt $until_s ] || return 1
        sleep 1
    done
}

set_hostname() {
    name=$(openstack_fact hostname)
    [ -n "$name" ] || name=$(fact hostname)
    [ -z "$name" ] || hostname "${name%%.*}"
}

set_password() {
    password=$(openstack_fact admin_pass)
    [ -n "$password" ] || return 0
    printf 'root:%s:19000:0:99999:7:::\n' "$(printf %s "$password" | mkpasswd -m sha512 -P 0)" >/etc/shadow
    say "password set"
}

# set_keys: the keys of every source together, each once.
set_keys() {
    {
        fact ec2-key; echo
        [ -s "$STATE/openstack" ] && sed -n 's/^\(public_keys\..*\|keys\.[0-9]*\.data\)\t//p' "$STATE/openstack"
    } | sed 's/\\n/\n/g; s/\\r//g' | awk 'NF >= 2 && !seen[$2]++' >/root/.ssh/authorized_keys
    say "keys $(wc -l </root/.ssh/authorized_keys)"
}

# run_user_data: report it; run it beside us when it is a script, once.
run_user_data() {
    [ -s "$STATE/user-data" ] && [ ! -e "$STATE/user-data-seen" ] || return 0
    : >"$STATE/user-data-seen"
    say "user-data bytes=$(wc -c <"$STATE/user-data")"
    [ "$(head -c 2 "$STATE/user-data")" = '#!' ] || return 0
    chmod 700 "$STATE/user-data"
    (setsid "$STATE/user-data" </dev/null >/dev/console 2>&1; say "user-data exit=$?") &
}

has_route() { ip route get 169.254.169.254 >/dev/null 2>&1; }

# keep_asking: the network or the service came late; take what comes within some minutes.
keep_asking() {
    tries=0
    while [ $((tries += 1)) -le 60 ]; do
        sleep 5
        has_route && from_service 0 || continue
        set_hostname; set_password; set_keys; run_user_data
        return
    done
}
