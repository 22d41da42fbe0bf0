# The mmerc service and its page, without a GPU:
#   docker build --tag mmerc .
#   docker run --publish 127.0.0.1:8000:8000 --env MMERC_API_KEY=choose-one mmerc
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1

# The CPU build of PyTorch avoids several gigabytes of CUDA libraries.
RUN pip install --extra-index-url https://download.pytorch.org/whl/cpu 'torch==2.13.0+cpu'

WORKDIR /opt/mmerc
COPY constraints.txt pyproject.toml README.md LICENSE LICENSE-WEIGHTS ./
COPY src ./src
RUN pip install --constraint constraints.txt '.[offline,media,speech,serve,postgres]'

RUN useradd --create-home --uid 10001 mmerc
USER 10001
WORKDIR /home/mmerc
# A volume that is mounted there gets this owner.
RUN mkdir jobs
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["mmerc", "serve", "--host", "0.0.0.0"]
