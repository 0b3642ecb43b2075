# Reads one JSON document, prints "path<TAB>value" for every plain value in it, for example
#   public_keys.laptop<TAB>ssh-ed25519 AAAA... me@laptop
# List items are numbered from 0. In values \" \/ and \\ are decoded, other escapes stay as they are.

{ text = text $0 " " }

function word(token) {
    if (token !~ /^"/) return token
    token = substr(token, 2, length(token) - 2)
    gsub(/\\\\/, "\001", token); gsub(/\\"/, "\"", token); gsub(/\\\//, "/", token)
    gsub(/\001/, "\\", token)
    return token
}

function put(value,   i, path) {
    path = at[1]
    for (i = 2; i <= depth; i++) path = path "." at[i]
    print path "\t" value
}

END {
    while (match(text, /^[ \t\r]*("([^"\\]|\\.)*"|[][{},:]|[^] \t\r,:{}["]+)/)) {
        token = substr(text, RSTART, RLENGTH); text = substr(text, RSTART + RLENGTH)
        sub(/^[ \t\r]+/, "", token)
        if (token == "{") { kind[++depth] = "map"; key = 1 }
        else if (token == "[") { kind[++depth] = "list"; at[depth] = 0; key = 0 }
        else if (token == "}" || token == "]") { depth--; key = 0 }
        else if (token == ":") key = 0
        else if (token == ",") { if (kind[depth] == "list") at[depth]++; else key = 1 }
        else if (key) at[depth] = word(token)
        else put(word(token))
    }
}
