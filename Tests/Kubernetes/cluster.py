"""What a pod finds in a cluster, in a mount namespace of its own: an API server that knows EndpointSlices and allows what RBAC
allows, its address in the environment, and the files of the pod's ServiceAccount."""

import json
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
from pathlib import Path

SERVER = Path(__file__).resolve().parent.parent / "KubernetesTests/api_server.py"
# Where every container has them.
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Cluster:
    """`rules`: those of the Roles that are bound to the pod's ServiceAccount, each with its namespace."""

    def __init__(self, namespace, rules):
        self._folder = tempfile.TemporaryDirectory(prefix="volery-cluster-")
        folder = Path(self._folder.name)
        ACCOUNT.mkdir(parents=True, exist_ok=True)
        (ACCOUNT / "token").write_text("a-token\n")
        (ACCOUNT / "namespace").write_text(namespace)
        certificate, key = ACCOUNT / "ca.crt", folder / "server.key"
        # One that is its own authority.
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=kubernetes", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
            check=True, capture_output=True)
        (folder / "rights.json").write_text(json.dumps(rules))
        self._process = subprocess.Popen(
            [sys.executable, SERVER, ACCOUNT, "--tls", certificate, key, "--rights", folder / "rights.json"],
            stdout=subprocess.PIPE, text=True)
        port, self._control = self._process.stdout.readline().split()
        self.environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()

    def tell(self, command, **query):
        url = f"http://127.0.0.1:{self._control}/{command}?{urllib.parse.urlencode(query)}"
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
            return json.load(answer)

    def requests(self):
        """What it was asked: (verb, group, resource, namespace), each once."""
        found = set()
        for request in self.tell("requests"):
            apis, group, _, namespaces, namespace, resource = request["path"].strip("/").split("/")
            assert (apis, namespaces) == ("apis", "namespaces"), request
            found.add((request["verb"], group, resource, namespace))
        return found
