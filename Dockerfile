# thinkgate on vLLM's own image: its CUDA, PyTorch and vLLM stay as they are.
#
#     docker build -t thinkgate .
#     docker run --rm --init --gpus all --shm-size 16g -p 127.0.0.1:8000:8000 thinkgate
#     docker run ... thinkgate serve --profile qwen3-4b
#
# docs/operations.md says more. A tag can be moved, a digest can not: better is
#     --build-arg VLLM_IMAGE=vllm/vllm-openai@sha256:...
# with what `docker buildx imagetools inspect vllm/vllm-openai:v0.32.0` prints on your machine.
ARG VLLM_IMAGE=vllm/vllm-openai:v0.32.0


FROM ${VLLM_IMAGE} AS wheel
COPY . /source
RUN uv build --wheel --no-cache --out-dir /wheels /source


# Stays empty unless a model is to be part of the image:
#     --build-arg MODEL_ID=Qwen/Qwen3-4B [--build-arg MODEL_SOURCE=modelscope] [--secret id=hf_token]
FROM ${VLLM_IMAGE} AS model
ARG MODEL_SOURCE=huggingface
ARG MODEL_ID=""
ARG MODEL_REVISION=""
RUN --mount=type=bind,source=deploy/fetch-model.sh,target=/fetch-model.sh \
    --mount=type=secret,id=hf_token \
    mkdir /models \
    && if [ "${MODEL_SOURCE}" = modelscope ]; then \
        uv pip install --system --no-cache modelscope==1.40.2; \
    fi \
    && if [ -n "${MODEL_ID}" ]; then \
        HF_TOKEN_PATH=/run/secrets/hf_token \
        sh /fetch-model.sh "${MODEL_SOURCE}" "${MODEL_ID}" /models "${MODEL_REVISION}"; \
    fi


FROM ${VLLM_IMAGE}

# The second command installs nothing: it fails when the image lacks something that we need.
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    --mount=type=bind,source=deploy/requirements.txt,target=/requirements.txt \
    uv pip install --system --no-cache --no-deps --requirement /requirements.txt /wheels/*.whl \
    && uv pip install --system --no-cache --offline --no-index 'thinkgate[client]'

# A user with a name, since PyTorch asks for it, and with a home, since caches are kept there.
RUN useradd --no-log-init --uid 10001 --create-home --shell /usr/sbin/nologin thinkgate \
    && install --directory --owner=thinkgate --group=thinkgate /home/thinkgate/.cache

WORKDIR /app
COPY config.toml ./
COPY profiles ./profiles
COPY --from=model /models /models

ARG MODEL_ID=""
# 0.0.0.0 is the container's own network; configure API keys before the port is published to others.
# MODEL_PATH is the model that was built in; empty, it counts as unset. A volume with models belongs
# in /app/models.
ENV MODEL_PATH=${MODEL_ID:+/models/${MODEL_ID}} \
    THINKGATE_SERVER__HOST=0.0.0.0 \
    PYTHONSAFEPATH=1 \
    HOME=/home/thinkgate \
    XDG_CACHE_HOME=/home/thinkgate/.cache \
    HF_HOME=/home/thinkgate/.cache/huggingface \
    TRITON_CACHE_DIR=/home/thinkgate/.cache/triton

USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Loading may take half an hour; a failure before that does not count. Set another port with
# THINKGATE_SERVER__PORT, which this reads too, and not with --port.
HEALTHCHECK --interval=10s --timeout=6s --start-period=30m --retries=3 \
    CMD ["python3", "-c", "import http.client, os, sys; probe = http.client.HTTPConnection('127.0.0.1', int(os.environ.get('THINKGATE_SERVER__PORT', 8000)), timeout=5); probe.request('GET', '/ready'); sys.exit(probe.getresponse().status != 200)"]

ENTRYPOINT ["thinkgate"]
CMD ["serve"]
