"""
A throw-away authority with the certificates that tests need, made with the openssl command.

  ca.pem, ca.key          the authority
  server.pem, server.key  for localhost and 127.0.0.1
  wrong.pem, wrong.key    of the same authority, for another name
  stranger.pem            an authority that signed none of these

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import subprocess


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")


def make_authority(folder, name, subject):
    openssl(folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", subject, "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign",
            "-keyout", f"{name}.key", "-out", f"{name}.pem")


def make_certificate(folder, name, subject, names):
    openssl(folder, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject,
            "-keyout", f"{name}.key", "-out", f"{name}.csr")
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-out", f"{name}.pem", "-extfile", extensions.name)
    (folder / f"{name}.csr").unlink()
    extensions.unlink()


def make(folder):
    """Makes all of them in the folder, which is created; returns it."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    make_authority(folder, "ca", "/CN=closeloop test authority")
    make_authority(folder, "stranger", "/CN=somebody else's authority")
    make_certificate(folder, "server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1")
    make_certificate(folder, "wrong", "/CN=wrong.example", "DNS:wrong.example")
    for key in folder.glob("*.key"):
        key.chmod(0o600)
    return folder
