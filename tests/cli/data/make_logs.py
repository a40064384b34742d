#!/usr/bin/env python3
"""Makes the logs of this folder again: runs each server on loopback, sends it requests from many loopback addresses for
a minute or so, and writes its access log, compressed.

    make_logs.py FOLDER [SECONDS]

Wants Debian's apache2-bin, nginx-light, caddy, lighttpd, haproxy, h2o, gunicorn and mini-httpd. No test runs it.
"""
import base64
import gzip
import http.client
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/8.5.0",
    'an "odd" agent \\ with [brackets]',
]

APACHE = """
ServerName www.example.com
ServerRoot {dir}
PidFile {dir}/pid
Mutex file:{dir}
Listen 127.0.0.1:{port}
Listen [::1]:{port}
User www-data
Group www-data
ErrorLog {dir}/error.log
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_user_module /usr/lib/apache2/modules/mod_authz_user.so
LoadModule authn_core_module /usr/lib/apache2/modules/mod_authn_core.so
LoadModule authn_file_module /usr/lib/apache2/modules/mod_authn_file.so
LoadModule auth_basic_module /usr/lib/apache2/modules/mod_auth_basic.so
DocumentRoot {dir}/www
<Directory {dir}/www>
  Require all granted
</Directory>
<Location /private>
  AuthType Basic
  AuthName x
  AuthUserFile {dir}/users
  Require valid-user
</Location>
LogFormat "{format}" chosen
CustomLog {dir}/access.log chosen
"""
COMMON = r"%h %l %u %t \"%r\" %>s %O"
VHOST = r"%v:%p %h %l %u %t \"%r\" %>s %O \"%{{Referer}}i\" \"%{{User-Agent}}i\""

NGINX = """
daemon off; user www-data; pid {dir}/pid; error_log {dir}/error.log;
events {{}}
http {{
  client_body_temp_path {dir}/t1; proxy_temp_path {dir}/t2; fastcgi_temp_path {dir}/t3; uwsgi_temp_path {dir}/t4;
  scgi_temp_path {dir}/t5;
  log_format chosen {format};
  access_log {dir}/access.log chosen;
  server {{ listen 127.0.0.1:{port}; listen [::1]:{port}; root {dir}/www;
    location /private {{ auth_basic x; auth_basic_user_file {dir}/users; try_files $uri /index.html; }} }}
}}
"""
MAIN = ("""'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" """
        """"$http_user_agent" "$http_x_forwarded_for"'""")
NGINX_JSON = """escape=json '{{"time_iso8601":"$time_iso8601","msec":"$msec","remote_addr":"$remote_addr",'
    '"remote_user":"$remote_user","request":"$request","status":"$status","request_time":"$request_time",'
    '"http_user_agent":"$http_user_agent","http_x_forwarded_for":"$http_x_forwarded_for"}}'"""

CADDY = """
{{
  admin off
  auto_https off
}}
:{port} {{
  root * {dir}/www
  log {{
    output file {dir}/access.log
  }}
  basicauth /private* {{
    ada {hash}
  }}
  file_server
}}
"""
LIGHTTPD = """
server.document-root = "{dir}/www"
server.port = {port}
server.bind = "127.0.0.1"
$SERVER["socket"] == "[::1]:{port}" {{ }}
server.modules += ( "mod_accesslog" )
accesslog.filename = "{dir}/access.log"
index-file.names = ( "index.html" )
"""
HAPROXY = """
defaults
  mode http
  timeout client 5s
  timeout server 5s
  timeout connect 5s
frontend web
  log stdout format raw local0
  option httplog clf
  bind 127.0.0.1:{port}
  bind [::1]:{port}
  http-request return status 404 if {{ path /missing }}
  http-request return status 200 content-type text/plain string ok
"""
H2O = """
user: root
listen: {{ host: 127.0.0.1, port: {port} }}
hosts:
  default:
    paths:
      /: {{ file.dir: {dir}/www }}
access-log: {dir}/access.log
"""
APP = """
def app(environ, start):
    found = environ["PATH_INFO"] != "/missing"
    start("200 OK" if found else "404 Not Found", [("Content-Type", "text/plain")])
    return [b"ok"]
"""


def server(name, folder, port):
    """(arguments of the server, name of its log, whether that is its standard output)"""
    def write(text, **more):
        path = os.path.join(folder, "conf")
        with open(path, "w") as file:
            file.write(text.format(dir=folder, port=port, **more))
        return path
    log = os.path.join(folder, "access.log")
    if name in ("apache-common.log", "apache-vhost.log"):
        text = APACHE.replace("{format}", COMMON if name == "apache-common.log" else VHOST)
        return ["/usr/sbin/apache2", "-X", "-f", write(text)], log, False
    if name in ("nginx-main.log", "nginx-json.log"):
        text = NGINX.replace("{format}", MAIN if name == "nginx-main.log" else NGINX_JSON)
        return ["/usr/sbin/nginx", "-c", write(text)], log, False
    if name == "caddy.json":
        made = subprocess.run(["caddy", "hash-password", "--plaintext", "x"], capture_output=True, text=True, check=True)
        return ["caddy", "run", "--adapter", "caddyfile", "--config", write(CADDY, hash=made.stdout.strip())], log, False
    if name == "lighttpd.log":
        return ["/usr/sbin/lighttpd", "-D", "-f", write(LIGHTTPD)], log, False
    if name == "haproxy-clf.log":
        return ["/usr/sbin/haproxy", "-db", "-f", write(HAPROXY)], log, True
    if name == "h2o.log":
        return ["h2o", "-c", write(H2O)], log, False
    if name == "mini-httpd.log":
        return ["/usr/sbin/mini_httpd", "-D", "-h", "127.0.0.1", "-p", str(port), "-d", folder + "/www", "-l", log], log, False
    with open(os.path.join(folder, "app.py"), "w") as file:
        file.write(APP)
    return ["gunicorn", "-b", f"127.0.0.1:{port}", "--chdir", folder, "--access-logfile", log, "app:app"], log, False


NAMES = ["apache-common.log", "apache-vhost.log", "nginx-main.log", "nginx-json.log", "caddy.json", "lighttpd.log",
         "haproxy-clf.log", "h2o.log", "gunicorn.log", "mini-httpd.log"]


def request(random_, port, has_six):
    headers = {"User-Agent": random_.choice(AGENTS), "Host": "www.example.com"}
    if random_.random() < 0.6:
        first = random_.choice([f"203.0.113.{random_.randrange(1, 40)}", f"2001:DB8:0:0::{random_.randrange(1, 20):x}"])
        headers["X-Forwarded-For"] = first + (f", 198.51.100.{random_.randrange(1, 4)}" if random_.random() < 0.5 else "")
    path = random_.choice(["/", "/index.html", "/missing", "/private"])
    if path == "/private" and random_.random() < 0.8:
        login = random_.choice(["ada:x", "ada:wrong", "mallory:x"])
        headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
    six = has_six and random_.random() < 0.1
    source = None if six else (f"127.0.0.{random_.randrange(2, 60)}", 0)
    try:
        connection = http.client.HTTPConnection("::1" if six else "127.0.0.1", port, timeout=5, source_address=source)
        connection.request(random_.choice(["GET", "GET", "HEAD"]), path, headers=headers)
        connection.getresponse().read()
        connection.close()
    except OSError:
        pass


def wait_for(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def log_of(name, port, seconds, out):
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    os.mkdir(folder + "/www")
    for file in ("index.html", "private"):
        with open(f"{folder}/www/{file}", "w") as page:
            page.write("hello\n")
    with open(folder + "/users", "w") as users:
        users.write("ada:" + subprocess.run(["openssl", "passwd", "-apr1", "x"], capture_output=True, text=True,
                                            check=True).stdout)
    arguments, log, is_output = server(name, folder, port)
    with open(log, "wb") as file:
        os.chmod(log, 0o666)
        process = subprocess.Popen(arguments, stdout=file if is_output else subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(port)
        random_, until = random.Random(name), time.monotonic() + seconds
        has_six = name not in ("h2o.log", "gunicorn.log", "mini-httpd.log")
        while time.monotonic() < until:
            for _ in range(random_.randrange(1, 6)):
                request(random_, port, has_six)
            time.sleep(random_.expovariate(0.5))
    finally:
        process.terminate()
        process.wait()
    with open(log, "rb") as file, open(os.path.join(out, name + ".gz"), "wb") as packed:
        packed.write(gzip.compress(file.read(), 9, mtime=0))
    shutil.rmtree(folder)


def main():
    out, seconds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 90
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in NAMES]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    threads = [threading.Thread(target=log_of, args=(name, port, seconds, out)) for name, port in zip(NAMES, ports)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
