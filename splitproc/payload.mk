# The C parts that are embedded in the binary: included by the Makefile at the root.
#
#   stub-<abi>.so   upper half: stub/*.c, the generated core, one front end
#   lower-<lib>     lower half: adapter/*.c, one set of generated forwarders
#
# Only a C compiler is needed: no MPI header, no MPI library.

PAYLOAD_DIR := splitproc/payload
STUB_DIR := splitproc/stub
ADAPTER_DIR := splitproc/adapter
# Hidden, so that go:embed leaves it out.
PAYLOAD_BUILD := splitproc/payload/.build

PAYLOAD := $(addprefix $(PAYLOAD_DIR)/,stub-mpich.so stub-ompi.so stub-std.so lower-mpich lower-ompi)

# No stack protector: its canary lives in TLS, which changes with the half.
PAYLOAD_CFLAGS := -O2 -g -std=gnu11 -Wall -Wextra -Werror -fno-stack-protector -fcf-protection=none -fPIC -fvisibility=hidden -MMD -MP \
	-I$(STUB_DIR) -I$(STUB_DIR)/gen -I$(ADAPTER_DIR) $(EXTRA_CFLAGS)

# Room for the longest SONAME that is written over it when the stub is extracted (payload.go).
STUB_SONAME := libmana_soname_to_be_replaced_at_extraction.so

# What the generator writes; the stamp is younger than its tables and sources.
GEN_STAMP := $(PAYLOAD_BUILD)/generated
$(GEN_STAMP): $(wildcard splitproc/gen/*.go splitproc/gen/tables/*)
	@mkdir -p $(PAYLOAD_BUILD)
	$(GO) run ./splitproc/gen
	@touch $@

STUB_OBJS := $(patsubst $(STUB_DIR)/%.c,$(PAYLOAD_BUILD)/%.o,$(wildcard $(STUB_DIR)/*.c)) \
	$(PAYLOAD_BUILD)/gen/core_forward.o $(PAYLOAD_BUILD)/gen/core_icoll.o $(PAYLOAD_BUILD)/gen/core_default.o

$(PAYLOAD_BUILD)/%.o: $(STUB_DIR)/%.c | $(GEN_STAMP)
	@mkdir -p $(dir $@)
	@echo CC $<
	@$(CC) $(PAYLOAD_CFLAGS) -c $< -o $@

$(PAYLOAD_BUILD)/gen/%.o: $(GEN_STAMP)
	@mkdir -p $(dir $@)
	@echo CC gen/$*.c
	@$(CC) $(PAYLOAD_CFLAGS) -c $(STUB_DIR)/gen/$*.c -o $@

# No -Bsymbolic: a program's copy of a handle's symbol has to win.
$(PAYLOAD_DIR)/stub-%.so: $(STUB_OBJS) $(PAYLOAD_BUILD)/gen/front_%.o
	$(CC) -shared -Wl,-soname,$(STUB_SONAME) -Wl,-z,now -Wl,-z,noexecstack -Wl,--no-undefined -o $@ $^
	strip -S $@

# What Open MPI's Fortran library needs from libmpi besides MPI.
$(PAYLOAD_DIR)/stub-ompi.so: $(PAYLOAD_BUILD)/abi/ompi_fortran.o $(PAYLOAD_BUILD)/abi/ompi_fortran_more.o

$(PAYLOAD_DIR)/lower-mpich: ADAPTER_LIB := MPICH
$(PAYLOAD_DIR)/lower-ompi: ADAPTER_LIB := OMPI
$(PAYLOAD_DIR)/lower-%: $(wildcard $(ADAPTER_DIR)/*.c $(ADAPTER_DIR)/*.h $(STUB_DIR)/*.h) $(GEN_STAMP)
	$(CC) $(filter-out -MMD -MP,$(PAYLOAD_CFLAGS)) -DMANA_LIB_$(ADAPTER_LIB) -pie -Wl,-z,now -o $@ \
		$(filter %.c,$^) $(ADAPTER_DIR)/gen/lower_$*.c -ldl -lpthread
	strip -S $@

.SECONDARY:
.PHONY: payload payload-clean
payload: $(PAYLOAD)

payload-clean:
	rm -rf $(PAYLOAD_BUILD) $(PAYLOAD) $(STUB_DIR)/gen $(ADAPTER_DIR)/gen

# Written by the compiler; not to be made by a built-in rule.
$(PAYLOAD_BUILD)/%.d: ;
-include $(shell find $(PAYLOAD_BUILD) -name '*.d' 2>/dev/null)
