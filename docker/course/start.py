"""JupyterLab in the container, on the interface that Docker's published port leads to."""

import os
import sys
from pathlib import Path

from redis_lab.course import work

folder = Path("work")
for step in work.update(folder):
    print(step)
command, environment = work.jupyterlab(folder, int(os.environ["PORT"]), browser=False)
command = ["--ServerApp.ip=0.0.0.0" if "ServerApp.ip" in word else word for word in command]
sys.stdout.flush()
os.execve(command[0], command, environment)
