"""Clients that are not ours, at versions that are locked: Node's packages and buf, from npm."""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALL_S = 300


def node_environment():
    """For programs of Node that use the packages of client/example/node. OBJPOOL_NODE_DIR says
    where these are kept."""
    folder = pathlib.Path(os.environ["OBJPOOL_NODE_DIR"])
    source = ROOT / "client" / "example" / "node"
    lock = source / "package-lock.json"
    installed = folder / "installed.json"
    if not installed.exists() or installed.read_bytes() != lock.read_bytes():
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                       cwd=folder, check=True, timeout=INSTALL_S)
        shutil.copy(lock, installed)
    return {**os.environ, "NODE_PATH": str(folder / "node_modules")}


def buf():
    """The program that checks the schema; OBJPOOL_BUF_DIR says where it is kept."""
    done = subprocess.run([ROOT / "tests" / "tidy" / "buf.sh", os.environ["OBJPOOL_BUF_DIR"]],
                          check=True, timeout=INSTALL_S, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()
