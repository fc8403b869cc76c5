# The front door. Every target installs what it needs first; nothing is downloaded except from npm and Debian.
SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
INSTALLED := node_modules/.lares-installed

.PHONY: run demo test bench check install test-needs generate field help

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Start Lares: with ./lares.yaml if there is one, otherwise the demo house
	@bin/lares run

demo: install ## Start the demo house: simulated people, phones, plugs, meters and cameras
	@bin/lares demo

test: install test-needs check ## Everything that must hold: checks, tests against real servers, field suites
	vitest run
	@npm run --silent field

check: install ## Format, lint, types, dead code and generated files; seconds, no servers
	@npm run --silent check

bench: install ## Benchmarks beside their rivals, about an hour; MINUTES=60 for the long ones as the figures in docs/limits.md
	@scripts/test-needs --bench
	node bench/sweep.ts 5
	node bench/store.ts --days 7 --postgres
	node bench/presence-policies.ts
	node bench/graphite-receipts.ts
	node bench/outage.ts --minutes $(or $(MINUTES),5)
	node bench/whole-house.ts --minutes $(or $(MINUTES),5)
	node bench/kill.ts
	node bench/footprint.ts --minutes 5
	node --expose-gc bench/kasa.ts 3
	node --expose-gc bench/tuya.ts 10000
	node --expose-gc bench/shelly.ts 10000 200
	node bench/modbus.ts 12
	node bench/pulse.ts
	node bench/energy.ts
	node bench/detect.ts
	node bench/track.ts
	node bench/motion.ts --minutes 1
	node bench/rules.ts --days 3
	node bench/recorder.ts
	node bench/speech.ts
	node bench/calibration.ts
	node bench/cameras.ts --cameras 8 --seconds $(if $(MINUTES),600,60)
	node bench/reconnect.ts --reconnects $(if $(MINUTES),1000,100)
	node bench/latency.ts
	node bench/kill-cctv.ts --kills $(if $(MINUTES),200,20)
	node bench/false-alerts.ts --minutes $(or $(MINUTES),5)

generate: install ## Write the generated files: config reference, schema, dashboards
	@npm run --silent generate

field: install ## Field suites over ../shared/data (or DATA=DIR)
	@npm run --silent field -- $(if $(DATA),--data $(DATA))

test-needs:
	@scripts/test-needs

install: $(INSTALLED)

# npm install against the committed lock, not npm ci: the registry lacks packages of other platforms and ci then refuses.
$(INSTALLED): package.json package-lock.json
	@echo "Installing packages from npm"
	@npm install --no-audit --no-fund --loglevel=error
	@touch $@
