"""The flat DHCP arrangement: one bridge a network, with the gateway, dnsmasq and NAT on the guests' own host."""
