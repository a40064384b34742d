"""An authority, and the certificates that it signs for nodes and for clients, made by the openssl tool."""
import subprocess

NODE = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n"
CLIENT = "extendedKeyUsage=clientAuth\n"
LEAF = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"openssl {arguments[0]} ended with {done.returncode}\n{done.stdout}"


def make(folder):
    """Makes ca.pem, node.pem, node.key, client.pem and client.key."""
    openssl("req", "-x509", *KEY, "-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-days", 2,
            "-subj", "/CN=conformance CA", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    for name, extensions in (("node", NODE), ("client", CLIENT)):
        (folder / f"{name}.extensions").write_text(LEAF + extensions)
        openssl("req", *KEY, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", folder / f"{name}.csr", "-CA", folder / "ca.pem", "-CAkey", folder / "ca.key",
                "-CAcreateserial", "-days", 2, "-extfile", folder / f"{name}.extensions", "-out", folder / f"{name}.pem")
