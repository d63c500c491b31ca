# The image holds the source, which is what runs: there is no build.
FROM docker.io/library/node:24-slim

WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY src src
COPY storage storage
COPY deploy/config.yml /etc/berth/config.yml

# OpenShift runs it under any user id, in group 0.
RUN mkdir -m 0775 /registry && chgrp 0 /registry
USER 1001:0
VOLUME /registry

# Whoever runs this image says by REGISTRY_AUTH who may come in: openshift, htpasswd, or none for everybody. Address and
# folder are in a file, not in variables, which would outrank a file of theirs and be in the way of another storage.
# File calls run in Node's thread pool: four threads would let four slow fsyncs stop every pull.
# Node keeps compiled modules, per user id, where it may: processes that start later need less time and memory.
# For the metrics' build info: docker build --build-arg COMMIT=$(git rev-parse HEAD) …
ARG COMMIT=
ENV NODE_ENV=production \
    BERTH_COMMIT=$COMMIT \
    UV_THREADPOOL_SIZE=32 \
    NODE_COMPILE_CACHE=/tmp/berth-compiled \
    REGISTRY_CONFIGURATION_PATH=/etc/berth/config.yml
EXPOSE 5000
CMD ["node", "--max-semi-space-size=4", "src/main.ts"]
