# Sourced by every script of the guest.
export PATH=/sbin:/bin HOME=/root
STATE=/run/guest

# say FACT...: one line on the console; tests and people wait for these.
say() { echo "GUEST: $*" >/dev/console; }

# bytes_of DISK: its size as the kernel sees it now.
bytes_of() {
    read -r sectors <"/sys/block/$1/size" && echo $((sectors * 512))
}
