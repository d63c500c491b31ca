# The image holds the source, which is what runs: there is no build.
FROM docker.io/library/node:24-slim

WORKDIR /opt/berth
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force
COPY src src
COPY storage storage

# OpenShift runs it under any user id, in group 0.
RUN mkdir -m 0775 /registry && chgrp 0 /registry
USER 1001:0
VOLUME /registry

# A container's loopback cannot be reached from outside, so it listens on every address. Whoever runs this image says by
# REGISTRY_AUTH who may come in: openshift, htpasswd, or none for everybody.
# File calls run in Node's thread pool: four threads would let four slow fsyncs stop every pull.
# Node keeps compiled modules, per user id, where it may: processes that start later need less time and memory.
ENV NODE_ENV=production \
    UV_THREADPOOL_SIZE=32 \
    NODE_COMPILE_CACHE=/tmp/berth-compiled \
    REGISTRY_HTTP_ADDR=:5000 \
    REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/registry
EXPOSE 5000
CMD ["node", "--max-semi-space-size=4", "src/main.ts"]
