# The doors of the project. What each does: README.md.
CARGO ?= cargo
PORT ?= 8080

.PHONY: demo test soak bench deb assets clean

# npm needs to run only when styles or scripts changed.
web/dist/manifest.json: web/package-lock.json web/build.mjs $(wildcard web/css/*.css web/src/*.ts)
	$(CARGO) run --quiet -p xtask -- assets

assets: web/dist/manifest.json

demo: assets
	$(CARGO) build --release --locked -p kenroku
	PORT=$(PORT) ./target/release/kenroku demo

test:
	$(CARGO) run --quiet -p xtask -- ci

soak:
	$(CARGO) run --quiet -p xtask -- soak

bench: assets
	$(CARGO) build --release --locked -p kenroku -p kenroku-bench
	for b in house store access vault bus places snow jpki identity trust; do target/release/$$b || exit 1; done
	@if [ -n "$(ADULT)" ]; then target/release/anonymize "$(ADULT)" "$(ANJANA)"; else echo "anonymize: give ADULT=folder of the Adult data set and ANJANA=a Python that has anjana"; fi
	@if [ -n "$(DRIVES)" ]; then target/release/matching "$(DRIVES)"; else echo "matching: give DRIVES=folder of the drives of Kubička et al. 2015"; fi

deb: assets
	$(CARGO) build --profile dist --locked -p kenroku
	packaging/deb.sh

clean:
	$(CARGO) clean
	rm -rf web/dist var var-witness
