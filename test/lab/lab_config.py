"""Writes the laboratory's configuration of pointsman: certificates, agents, monitor."""

import config_text
import lab_net


def write_certificates(lab):
    """`pointsman certs`: a CA and one identity each for the monitor and the sites."""
    folder = lab.folder / "certs"
    folder.mkdir(exist_ok=True)
    tool = lab.binaries / "pointsman"
    lab.monitor.run([tool, "certs", "init", "--dir", folder])
    lab.monitor.run([tool, "certs", "issue", "monitor", "site-a", "site-b", "--dir", folder])
    return folder


def tls(folder, name):
    return {"ca": str(folder / "ca.pem"), "cert": str(folder / f"{name}.pem"),
            "key": str(folder / f"{name}.key")}


def write_agent(lab, site, peer, certs):
    folder = site.place.folder / "agent"
    folder.mkdir(exist_ok=True)
    worker = config_text.write_unit(folder, "worker", "sleep infinity")
    settings = {
        "service": "im-api", "listen": "0.0.0.0:7443", "state_dir": str(folder / "state"),
        "control": str(folder / "control.sock"), "tls": tls(certs, site.name),
        "peer": f"https://{peer.address}:7443", "metrics": f"{site.address}:9780",
        "mysql_password_file": config_text.secret_file(folder / "mysql.password",
                                                       "pointsman-secret\n"),
        "repl_password_file": config_text.secret_file(folder / "repl.password", "repl-secret\n"),
        "seed_password_file": config_text.secret_file(folder / "seed.password", "seed-secret\n"),
        "deadman": {"ports": [8080, 3306, 6379], "allow": [peer.address]},
        "units": [worker]}
    (folder / "state").mkdir(exist_ok=True)
    (folder / "agent.toml").write_text(config_text.agent_toml(site, settings))


def write_monitor(lab, certs):
    folder = lab.monitor.folder
    credentials = config_text.secret_file(
        folder / "credentials.toml",
        config_text.credentials_toml(lab.bind, lab.tokens, lab.credentials))
    monitor = {
        "monitor": {"name": "monitor", "state_dir": str(folder / "state"),
                    "credentials": credentials, "control": str(folder / "control.sock"),
                    "references": [f"tcp://{lab_net.ADDRESS['client']}:8000"]},
        "web": lab.web, "tls": tls(certs, "monitor")}
    (folder / "state").mkdir(exist_ok=True)
    service = {"name": "im-api",
               "probe": {"type": "http", "url": "http://{address}:8080/health",
                         "host": "api.example.test", "expect_status": [200]}}
    sites = [{"name": site.name, "address": site.address, "address6": lab_net.ADDRESS6[site.name],
              "agent": f"https://{site.address}:7443", "preferred": site is lab.a}
             for site in lab.sites.values()]
    (folder / "pointsman.toml").write_text(config_text.monitor_toml(
        monitor, {"server": f"{lab.bind.address}:{lab.bind.port}"}, service | lab.service, sites,
        lab.providers, lab.records))


def write_all(lab):
    certs = write_certificates(lab)
    write_agent(lab, lab.a, lab.b, certs)
    write_agent(lab, lab.b, lab.a, certs)
    write_monitor(lab, certs)
