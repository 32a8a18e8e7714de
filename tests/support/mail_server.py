"""
A real Postfix with Dovecot's SASL, private to a test: all its state lies in one folder, /etc/postfix is not used.

Ports, all on 127.0.0.1 and handed out by the system:
  starttls   STARTTLS and AUTH required          smtps     TLS from the first byte, AUTH required
  plain      AUTH required, TLS offered          no_auth   STARTTLS required, takes mail without AUTH
  wrong      as starttls, with a certificate for another name

Every mail is delivered to one Maildir, whose files tell the envelope's recipient (X-Original-To). The user is `closeloop`
with the password `s3cret`. Some recipients have a fate: perm550@ temp451@ drop421@ spam554@ at RCPT, data554@ data451@
after the message. Mails over 1 MB are refused with 552.

Postfix's master changes users, so this needs root.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess

import tls
from servers import die_with_parent, free_port, wait_until

USER, PASSWORD = "closeloop", "s3cret"

MAIN = """
compatibility_level = 3.6
config_directory = {d}/etc
queue_directory = {d}/queue
data_directory = {d}/data
maillog_file = {d}/mail.log
maillog_file_prefixes = {d}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test.invalid
mydestination =
mynetworks =
virtual_mailbox_domains = regexp:{{{{/./ OK}}}}
virtual_mailbox_maps = static:inbox/
virtual_mailbox_base = {d}/mail
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
virtual_mailbox_limit = 0
message_size_limit = 1048576
smtpd_end_of_data_restrictions = check_recipient_access regexp:{d}/etc/end-of-data
smtpd_tls_cert_file = {d}/tls/server.pem
smtpd_tls_key_file = {d}/tls/server.key
smtpd_tls_security_level = encrypt
smtpd_tls_auth_only = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_auth_enable = yes
smtpd_sasl_security_options = noanonymous
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_recipient_restrictions = check_recipient_access regexp:{d}/etc/rcpt, permit_sasl_authenticated, reject
smtpd_error_sleep_time = 0
default_transport = error:no outbound mail from tests
biff = no
alias_maps =
local_recipient_maps =
"""

MASTER = """
127.0.0.1:{starttls} inet n - n - - smtpd
127.0.0.1:{plain} inet n - n - - smtpd -o smtpd_tls_security_level=may -o smtpd_tls_auth_only=no
127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:{no_auth} inet n - n - - smtpd -o smtpd_sasl_auth_enable=no -o smtpd_relay_restrictions=reject_unauth_destination -o smtpd_recipient_restrictions=reject_unauth_destination
127.0.0.1:{wrong} inet n - n - - smtpd -o smtpd_tls_cert_file={d}/tls/wrong.pem -o smtpd_tls_key_file={d}/tls/wrong.key
pickup  unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr    unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce  unix - - n - 0 bounce
defer   unix - - n - 0 bounce
trace   unix - - n - 0 bounce
verify  unix - - n - 1 verify
proxymap unix - - n - - proxymap
error   unix - - n - - error
retry   unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil   unix - - n - 1 anvil
scache  unix - - n - 1 scache
tlsmgr  unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
showq   unix n - n - - showq
flush   unix n - n 1000? 0 flush
"""

RCPT = """
/^perm550@/ 550 5.1.1 No such user
/^temp451@/ 451 4.7.1 Greylisted, try later
/^drop421@/ 421 4.3.2 Shutting down
/^spam554@/ 554 5.7.1 Refused
"""

END_OF_DATA = """
/^data554@/ 554 5.7.1 Content refused
/^data451@/ 451 4.3.0 Disk full, later
"""

DOVECOT = """
base_dir = {d}/dovecot/run
state_dir = {d}/dovecot/state
log_path = {d}/dovecot/log
protocols =
ssl = no
auth_mechanisms = plain login
disable_plaintext_auth = no
passdb {{
  driver = passwd-file
  args = {d}/dovecot/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={d}/mail
}}
service auth {{
  unix_listener {d}/queue/private/auth {{
    mode = 0660
    user = postfix
  }}
}}
"""


def why_not():
    """Why it can't run here, or None."""
    if os.geteuid() != 0:
        return "Postfix needs root"
    for program in ("postfix", "dovecot"):
        if not shutil.which(program, path="/usr/sbin:/usr/bin"):
            return f"{program} is not installed (packages postfix, dovecot-core)"
    return None


class MailServer:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ports = {name: free_port() for name in ("starttls", "plain", "smtps", "no_auth", "wrong")}
        self.postfix = self.dovecot = None

    def start(self):
        d = self.folder
        nobody, postfix = pwd.getpwnam("nobody"), pwd.getpwnam("postfix")
        names = {"d": d, "uid": nobody.pw_uid, "gid": nobody.pw_gid, **self.ports}
        for name in ("etc", "queue/private", "data", "mail", "dovecot"):
            (d / name).mkdir(parents=True)
        d.chmod(0o755)
        os.chown(d / "mail", nobody.pw_uid, nobody.pw_gid)
        os.chown(d / "data", postfix.pw_uid, -1)
        os.chown(d / "queue/private", postfix.pw_uid, -1)
        tls.make(d / "tls")
        (d / "etc/main.cf").write_text(MAIN.format(**names))
        (d / "etc/master.cf").write_text(MASTER.format(**names))
        (d / "etc/rcpt").write_text(RCPT)
        (d / "etc/end-of-data").write_text(END_OF_DATA)
        (d / "dovecot/users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
        (d / "dovecot/dovecot.conf").write_text(DOVECOT.format(**names))
        self.dovecot = self._spawn("/usr/sbin/dovecot", "-F", "-c", d / "dovecot/dovecot.conf")
        subprocess.run(["/usr/sbin/postfix", "-c", str(d / "etc"), "check"], check=True, capture_output=True)
        # Not `postfix start-fg`: that leaves the master behind when it is killed.
        self.postfix = self._spawn("/usr/lib/postfix/sbin/master", "-c", d / "etc")
        wait_until(lambda: self._listens("starttls"), 30, self.logs)
        wait_until((d / "queue/private/auth").exists, 30, self.logs)
        return self

    def _spawn(self, *command):
        log = open(self.folder / "start.log", "ab")  # noqa: SIM115
        with log:
            return subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM))

    def _listens(self, name):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.ports[name])) == 0

    def logs(self):
        text = ""
        for name in ("start.log", "mail.log", "dovecot/log"):
            path = self.folder / name
            text += path.read_text(errors="replace")[-4000:] if path.exists() else ""
        return text

    def mails(self, recipient=None):
        """The delivered mails as bytes; those to one recipient only."""
        found = []
        for path in sorted((self.folder / "mail/inbox/new").glob("*")):
            raw = path.read_bytes()
            if recipient is None or f"X-Original-To: {recipient}\n".encode() in raw:
                found.append(raw)
        return found

    def wait_for_mail(self, recipient, n=1):
        wait_until(lambda: len(self.mails(recipient)) >= n, 20, self.logs)
        return self.mails(recipient)

    def stop(self):
        for process in (self.postfix, self.dovecot):
            if process and process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(15)
