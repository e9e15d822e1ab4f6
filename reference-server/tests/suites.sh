#!/usr/bin/env bash
# Independent clients and testers against the real command: openssl, curl, nghttp, h2load, slowhttptest; with --long testssl.sh as well.
#
# Rules of this script: a tool that is not installed is said aloud and left out; whatever else fails ends it with a non-zero exit. The
# first argument that is no flag is the command to try, by default the one that cargo has built last.
set -euo pipefail
cd "$(dirname "$0")/../.."

long=false
[ "${1:-}" != --long ] || { long=true; shift; }
rwgi=${1:-${CARGO_TARGET_DIR:-target}/debug/rwgi}
place=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; rm -rf "$place"' EXIT

has() {
    command -v "$1" >/dev/null || { printf 'SKIPPED: %s is not installed\n' "$1"; return 1; }
}

fail() {
    printf 'FAILED: %s\n' "$1"
    exit 1
}

has openssl || exit 0
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$place/key" -out "$place/pem" 2>/dev/null
"$rwgi" --bind 127.0.0.1:0 --bind http://127.0.0.1:0 --certificate "$place/pem" --key "$place/key" \
    --head-timeout 5s --body-timeout 5s --write-timeout 5s 2>"$place/log" &
server=$!
for _ in $(seq 100); do
    [ "$(grep -c endpoint= "$place/log")" -lt 2 ] || break
    sleep 0.1
done
mapfile -t address < <(sed -n 's/.*listening.*endpoint=\([0-9.:]*\).*/\1/p' "$place/log")
[ "${#address[@]}" -eq 2 ] || { cat "$place/log"; fail "the server did not start"; }
tls=${address[0]} plain=${address[1]}

for version in tls1_2 tls1_3; do
    for protocol in h2 http/1.1; do
        said=$(openssl s_client -connect "$tls" -servername localhost -"$version" -alpn "$protocol" -CAfile "$place/pem" \
            -verify_return_error </dev/null 2>&1) || fail "openssl s_client -$version -alpn $protocol: $said"
        grep -q "ALPN protocol: $protocol" <<<"$said" || fail "openssl s_client -$version: no ALPN $protocol"
    done
done
for version in tls1 tls1_1; do
    if openssl s_client -connect "$tls" -"$version" -cipher 'ALL:@SECLEVEL=0' </dev/null >/dev/null 2>&1; then
        fail "openssl s_client -$version is served"
    fi
done
echo "openssl s_client: TLS 1.3 and 1.2 with h2 and http/1.1; 1.1 and 1.0 are refused"

if has curl; then
    for flags in "--http1.1 https://localhost:${tls##*:}" "--http2 https://localhost:${tls##*:}" \
        "--http1.0 http://$plain" "--http1.1 http://$plain" "--http2-prior-knowledge http://$plain"; do
        # shellcheck disable=SC2086
        said=$(curl -sS --fail --max-time 10 --cacert "$place/pem" --resolve "localhost:${tls##*:}:127.0.0.1" $flags/plaintext)
        [ "$said" = "Hello, World!" ] || fail "curl $flags: $said"
    done
    echo "curl: HTTP/1.0, 1.1 and 2, in plain text and under TLS"
fi

if has nghttp; then
    said=$(nghttp -nv --no-dep "https://$tls/plaintext" "https://$tls/stream?n=3&interval=10" 2>&1) || fail "nghttp: $said"
    [ "$(grep -c 'END_STREAM' <<<"$said")" -ge 2 ] || fail "nghttp: $said"
    echo "nghttp: two streams at once"
fi

if has h2load; then
    for target in "https://$tls" "http://$plain" "--h1 https://$tls" "--h1 http://$plain"; do
        # shellcheck disable=SC2086
        said=$(h2load -n 20000 -c 20 -m 10 $target/plaintext 2>&1) || fail "h2load $target: $said"
        grep -q "20000 succeeded, 0 failed, 0 errored, 0 timeout" <<<"$said" || fail "h2load $target: $said"
        printf 'h2load %s: %s\n' "$target" "$(grep 'finished in' <<<"$said")"
    done
fi

if has slowhttptest; then
    # Slow heads (slowloris), slow content, slow reading, ranges: none may keep the service from others.
    for kind in "-H -i 1" "-B -i 1 -u http://$plain/echo" "-X -w 10 -y 20 -n 5 -z 32 -u http://$plain/plaintext" "-R"; do
        case "$kind" in *-u*) to="" ;; *) to="-u http://$plain/plaintext" ;; esac
        # shellcheck disable=SC2086
        said=$(slowhttptest -c 400 -r 200 -l 12 -p 3 $kind $to 2>&1 </dev/null) || true
        grep -q "service available:.*YES" <<<"$said" || fail "slowhttptest $kind: $(tail -20 <<<"$said")"
        printf 'slowhttptest %s: the service stays available\n' "$kind"
    done
fi

if $long && has testssl; then
    said=$(testssl --quiet --color 0 --warnings off --openssl-timeout 10 -p -S -P -U "$tls" </dev/null 2>&1) || true
    if grep -E "VULNERABLE|NOT ok" <<<"$said" | grep -v "not vulnerable" | grep -vE "Chain of trust|Trust|self signed|OCSP|CRL|Certificate Validity"; then
        fail "testssl.sh: $said"
    fi
    echo "testssl.sh: protocols, preferences and known vulnerabilities: nothing found"
fi

kill -TERM "$server"
wait "$server" || fail "SIGTERM: exit code $?"
if grep -E "ERROR|panicked" "$place/log"; then fail "the log of the server"; fi
echo "the server has ended well, with nothing in its log"
