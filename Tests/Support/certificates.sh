#!/usr/bin/env bash
# Makes the certificates of the TLS tests in a folder: certificates.sh DIR. Good ones, and each kind of bad one.
set -euo pipefail
mkdir -p "$1"
cd "$1"
[ -e done ] && exit 0

touch index.txt
echo 'unique_subject = no' > index.txt.attr
cat > ca.cnf <<'END'
[ca]
default_ca = default
[default]
dir = .
new_certs_dir = .
database = index.txt
rand_serial = yes
default_md = sha256
policy = policy
copy_extensions = none
[policy]
commonName = supplied
organizationName = optional
END

ec() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"; }

root() { # NAME SUBJECT
  ec "$1"
  openssl req -x509 -new -key "$1.key" -subj "$2" -days 30 -out "$1.crt" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

leaf() { # NAME ISSUER SUBJECT EXTENSIONS [START END]
  [ -e "$1.key" ] || ec "$1"
  printf '%b' "$4" > "$1.ext"
  openssl req -new -key "$1.key" -subj "$3" -out "$1.csr" 2>/dev/null
  openssl ca -batch -notext -config ca.cnf -cert "$2.crt" -keyfile "$2.key" -in "$1.csr" -extfile "$1.ext" \
    -out "$1.crt" -startdate "${5:-$(date -u -d '1 hour ago' +%Y%m%d%H%M%SZ)}" \
    -enddate "${6:-$(date -u -d '10 days' +%Y%m%d%H%M%SZ)}" 2>/dev/null
}

for_server='keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n'
for_client='keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n'
names='subjectAltName=DNS:localhost,DNS:orders.test,DNS:*.pods.test,IP:127.0.0.1,IP:::1\n'

root ca '/O=Volery Tests/CN=Test Root'
root other-ca '/O=Volery Tests/CN=Other Root'
leaf server ca '/O=Volery Tests/CN=server' "$for_server$names"
leaf server2 ca '/O=Volery Tests/CN=server2' "$for_server$names"
leaf client ca '/O=Volery Tests/CN=client' \
  "${for_client}subjectAltName=URI:spiffe://volery.test/ns/shop/sa/orders,DNS:client.test,email:client@volery.test\n"
leaf other-client other-ca '/O=Volery Tests/CN=other client' "$for_client"

# A chain: root, intermediate, leaf.
leaf intermediate ca '/O=Volery Tests/CN=Test Intermediate' \
  'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign\n'
leaf deep intermediate '/O=Volery Tests/CN=deep' "$for_server$names"
cat deep.crt intermediate.crt > deep-chain.crt

# RSA, as most certificates of the world are.
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
leaf rsa ca '/O=Volery Tests/CN=rsa' "$for_server$names"

# Other forms of the same.
openssl x509 -in server.crt -outform DER -out server.der
openssl pkey -in server.key -outform DER -out server.key.der
openssl pkcs8 -topk8 -in server.key -passout pass:secret -out server.encrypted.key
openssl pkcs8 -topk8 -in server.key -passout pass:secret -outform DER -out server.encrypted.key.der
openssl ec -in server.key -out server.sec1.key 2>/dev/null

# Bad ones.
leaf expired ca '/O=Volery Tests/CN=expired' "$for_server$names" 20200101000000Z 20210101000000Z
leaf future ca '/O=Volery Tests/CN=future' "$for_server$names" 20400101000000Z 20410101000000Z
leaf wrong-host ca '/O=Volery Tests/CN=localhost' "${for_server}subjectAltName=DNS:elsewhere.test\n"
# Names that look like lines of a log; "\\n" is what OpenSSL reads as a line's end.
leaf forger ca '/O=Volery Tests/CN=forger' \
  "${for_server}subjectAltName=@names\n[names]\nDNS.1=elsewhere\\\\ncritical volery.channel: FORGED\n"
leaf no-names ca '/O=Volery Tests/CN=localhost' "$for_server"
leaf wrong-usage ca '/O=Volery Tests/CN=wrong usage' "$for_client$names"
leaf client-for-servers ca '/O=Volery Tests/CN=client for servers' "$for_server"
leaf expired-client ca '/O=Volery Tests/CN=expired client' "$for_client" 20200101000000Z 20210101000000Z
leaf untrusted other-ca '/O=Volery Tests/CN=untrusted' "$for_server$names"
ec self-signed
openssl req -x509 -new -key self-signed.key -subj '/O=Volery Tests/CN=self-signed' -days 30 -out self-signed.crt \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 2>/dev/null
: > empty.crt
head -c 300 server.crt > half.crt
head -c 100 server.key > half.key
echo 'no certificate at all' > text.crt
touch done
