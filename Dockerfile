# The reference image. Written for the classic builder too: no RUN --mount, no syntax line.
# Every step works with --network none: the wheels are in wheelhouse/, which `goldlock build` fills.
#
# Targets: predict, serve           the mlp model, by file and over HTTP
#          pipeline                 the pipeline model, inside the image
#          pipeline-predict         the same, the model from outside
#          pipeline-train, train    training of the one and of both
#          plain                    one stage, nothing left out; only to compare sizes with
# The classic builder runs every stage above its target: what is asked for most comes first.
ARG BASE=python:3.8.18-slim-bookworm@sha256:e796941013b10bb53a0924d8705485a1afe654bbbc6fe71d32509101e44b6414

# ---- what all images have in common ----
FROM ${BASE} AS runtime
ARG BASE
LABEL org.opencontainers.image.base.name="${BASE}" \
      org.opencontainers.image.licenses="Apache-2.0"
# One thread and a fixed hash seed: no result depends on the number of cores or on the run.
# TensorFlow wants a folder for temporary files; /dev/shm is writable in a read-only container.
ENV PATH=/opt/env/bin:/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0 \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    TMPDIR=/dev/shm

# oneDNN is switched on by default on some CPUs only: off, it is off on all of them.
FROM runtime AS runtime-tensorflow
ENV TF_CPP_MIN_LOG_LEVEL=2 \
    TF_ENABLE_ONEDNN_OPTS=0 \
    TF_NUM_INTEROP_THREADS=1 \
    TF_NUM_INTRAOP_THREADS=1

# ---- environments: each installed in a stage of its own, before any code ----
FROM ${BASE} AS wheels
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONHASHSEED=0
COPY wheelhouse/ /wheelhouse/
RUN python3 -m venv --without-pip /opt/env

# Bytecode as unchecked-hash (PEP 552) holds no time; the touch takes it from the files too. What goes into
# the image is put under /image and copied from there as a whole, folders with their times included: two
# builds on one base give the same layers.
FROM wheels AS mlp-environment
COPY model/mlp/requirements.txt /requirements.txt
RUN python3 -m pip --python /opt/env/bin/python install --no-index --find-links /wheelhouse \
        --require-hashes --no-deps --no-compile --requirement /requirements.txt
COPY model/mlp/trim.py /trim.py
RUN python3 /trim.py /opt/env/lib/python3*/site-packages \
 && /opt/env/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/env/lib \
 && mkdir -p /image/opt && mv /opt/env /image/opt/ \
 && find /image -exec touch --no-dereference --date=@1692835200 {} +

# ---- mlp: predict and serve ----
FROM ${BASE} AS mlp-code
COPY model/__init__.py model/artifacts.py model/flowers.py /image/app/model/
COPY model/mlp/__init__.py model/mlp/predict.py model/mlp/service.py model/mlp/tensorflow_quietly.py /image/app/model/mlp/
COPY model/mlp/artifacts/ /image/app/model/mlp/artifacts/
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -d /app /image/app \
 && chmod -R a+rX,go-w /image && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM runtime-tensorflow AS predict
LABEL org.opencontainers.image.title="goldlock mlp, predict" \
      org.opencontainers.image.description="Names the species of an iris: a CSV table in, one out; TensorFlow"
COPY --from=mlp-environment /image /
COPY --from=mlp-code /image /
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["python", "-m", "model.mlp.predict"]

FROM predict AS serve
LABEL org.opencontainers.image.title="goldlock mlp, serve" \
      org.opencontainers.image.description="Names the species of an iris over HTTP on port 8000; TensorFlow, gunicorn"
EXPOSE 8000
# One worker that loads TensorFlow itself: it does not survive a fork.
ENTRYPOINT ["gunicorn", "--bind=0.0.0.0:8000", "--workers=1", "--threads=4", "--timeout=60", "--worker-tmp-dir=/dev/shm", "model.mlp.service:create_app()"]

# ---- pipeline: scikit-learn only ----
FROM wheels AS pipeline-environment
COPY model/pipeline/requirements.txt /requirements.txt
RUN python3 -m pip --python /opt/env/bin/python install --no-index --find-links /wheelhouse \
        --require-hashes --no-deps --no-compile --requirement /requirements.txt \
 && /opt/env/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/env/lib \
 && mkdir -p /image/opt && mv /opt/env /image/opt/ \
 && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM ${BASE} AS pipeline-code
COPY model/__init__.py model/artifacts.py model/flowers.py /image/app/model/
COPY model/pipeline/__init__.py model/pipeline/predict.py model/pipeline/train.py /image/app/model/pipeline/
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -d /app /image/app \
 && chmod -R a+rX,go-w /image && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM ${BASE} AS pipeline-artifacts
COPY model/pipeline/artifacts/ /image/app/model/pipeline/artifacts/
RUN chmod -R a+rX,go-w /image && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM runtime AS pipeline-predict
LABEL org.opencontainers.image.title="goldlock pipeline, predict" \
      org.opencontainers.image.description="Names the species of an iris with a model from outside; scikit-learn"
COPY --from=pipeline-environment /image /
COPY --from=pipeline-code /image /
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["python", "-m", "model.pipeline.predict"]

FROM pipeline-predict AS pipeline-train
LABEL org.opencontainers.image.title="goldlock pipeline, train" \
      org.opencontainers.image.description="Trains the pipeline from a CSV table; scikit-learn"
ENTRYPOINT ["python", "-m", "model.pipeline.train"]

FROM pipeline-predict AS pipeline
LABEL org.opencontainers.image.title="goldlock pipeline" \
      org.opencontainers.image.description="Names the species of an iris with the model inside; scikit-learn"
COPY --from=pipeline-artifacts /image /
ENTRYPOINT ["python", "-m", "model.pipeline.predict", "/app/model/pipeline/artifacts/model.joblib"]

# ---- train: both models, everything in requirements.txt ----
FROM wheels AS train-environment
COPY requirements.txt /requirements.txt
RUN python3 -m pip --python /opt/env/bin/python install --no-index --find-links /wheelhouse \
        --require-hashes --no-deps --no-compile --requirement /requirements.txt \
 && /opt/env/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/env/lib \
 && mkdir -p /image/opt && mv /opt/env /image/opt/ \
 && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM ${BASE} AS train-code
COPY model/__init__.py model/artifacts.py model/flowers.py /image/app/model/
COPY model/mlp/__init__.py model/mlp/predict.py model/mlp/train.py model/mlp/tensorflow_quietly.py /image/app/model/mlp/
COPY model/pipeline/__init__.py model/pipeline/predict.py model/pipeline/train.py model/pipeline/iris.csv /image/app/model/pipeline/
RUN PYTHONHASHSEED=0 python3 -m compileall -q --invalidation-mode unchecked-hash -d /app /image/app \
 && chmod -R a+rX,go-w /image && find /image -exec touch --no-dereference --date=@1692835200 {} +

FROM runtime-tensorflow AS train
LABEL org.opencontainers.image.title="goldlock train" \
      org.opencontainers.image.description="Trains the reference models; TensorFlow, scikit-learn"
COPY --from=train-environment /image /
COPY --from=train-code /image /
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["python", "-m", "model.mlp.train"]

# ---- plain: what a first Dockerfile looks like ----
FROM ${BASE} AS plain
COPY wheelhouse/ /wheelhouse/
COPY requirements.txt /app/requirements.txt
RUN python3 -m pip install --no-index --find-links /wheelhouse --requirement /app/requirements.txt
COPY model/ /app/model/
WORKDIR /app
ENTRYPOINT ["python3", "-m", "model.mlp.predict"]
