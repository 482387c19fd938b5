// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Prints the verifier's table tests as JSON, one test a line. It includes the kernel tree's test_verifier.c as it is and
 * never calls what loads programs there, so those symbols may stay unresolved (see tables.py for how it is built).
 */
#define main kernel_runner
#include "test_verifier.c"
#undef main

static void text(const char *s)
{
	putchar('"');
	for (; s && *s; s++) {
		if (*s == '"' || *s == '\\')
			putchar('\\');
		if ((unsigned char)*s < ' ')
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void hex(const char *name, const void *data, size_t size)
{
	printf(", \"%s\": \"", name);
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const unsigned char *)data)[i]);
	putchar('"');
}

static void numbers(const char *name, const int *list)
{
	if (!*list)
		return;
	printf(", \"%s\": [%d", name, *list);
	for (int i = 1; i < MAX_FIXUPS && list[i]; i++)
		printf(", %d", list[i]);
	putchar(']');
}

static void one(struct bpf_test *t)
{
	struct bpf_insn *insns = t->insns;
	int len = 0, types = 0;

	if (t->fill_helper) {
		t->fill_insns = calloc(MAX_TEST_INSNS, sizeof(struct bpf_insn));
		t->fill_helper(t);
		insns = t->fill_insns;
		len = t->prog_len;
	} else {
		len = probe_filter_length(insns);
	}
	printf("{\"name\": ");
	text(t->descr);
	hex("insns", insns, len * sizeof(*insns));
	free(t->fill_insns);
#define FIXUP(name) numbers(#name, t->fixup_##name)
	FIXUP(map_hash_8b); FIXUP(map_hash_48b); FIXUP(map_hash_16b); FIXUP(map_array_48b); FIXUP(map_sockmap);
	FIXUP(map_sockhash); FIXUP(map_xskmap); FIXUP(map_stacktrace); FIXUP(prog1); FIXUP(prog2); FIXUP(map_in_map);
	FIXUP(cgroup_storage); FIXUP(percpu_cgroup_storage); FIXUP(map_spin_lock); FIXUP(map_array_ro);
	FIXUP(map_array_wo); FIXUP(map_array_small); FIXUP(sk_storage_map); FIXUP(map_event_output);
	FIXUP(map_reuseport_array); FIXUP(map_ringbuf); FIXUP(map_timer); FIXUP(map_kptr);
	printf(", \"kfuncs\": [");
	for (int i = 0; i < MAX_FIXUPS && t->fixup_kfunc_btf_id[i].kfunc; i++)
		printf("%s[\"%s\", %d]", i ? ", " : "", t->fixup_kfunc_btf_id[i].kfunc, t->fixup_kfunc_btf_id[i].insn_idx);
	printf("], \"errstr\": ");
	text(t->errstr);
	printf(", \"errstr_unpriv\": ");
	if (t->errstr_unpriv)
		text(t->errstr_unpriv);
	else
		printf("null");
	printf(", \"result\": %d, \"result_unpriv\": %d, \"prog_type\": %d, \"flags\": %d, \"attach_type\": %d", t->result,
	       t->result_unpriv, t->prog_type, t->flags, t->expected_attach_type);
	printf(", \"processed\": %u, \"kfunc\": ", t->insn_processed);
	text(t->kfunc);
	printf(", \"xlated\": %d", t->expected_insns[0].code || t->unexpected_insns[0].code);
	printf(", \"runs\": [");
	for (int i = 0; i < (t->runs ? t->runs : 1); i++) {
		printf("%s{\"retval\": %d, \"retval_unpriv\": %d", i ? ", " : "", (int)t->retvals[i].retval,
		       (int)t->retvals[i].retval_unpriv);
		hex("data", t->retvals[i].data, TEST_DATA_LEN);
		putchar('}');
	}
	putchar(']');
	if (t->btf_types[0]) {
		while (types < MAX_BTF_TYPES && t->btf_types[types] != BTF_END_RAW)
			types++;
		hex("btf_types", t->btf_types, types * sizeof(t->btf_types[0]));
		hex("btf_strings", t->btf_strings, sizeof(t->btf_strings));
	}
	printf(", \"func_info\": [");
	for (int i = 0; i < t->func_info_cnt; i++)
		printf("%s[%u, %u]", i ? ", " : "", t->func_info[i].insn_off, t->func_info[i].type_id);
	printf("]}\n");
}

int main(void)
{
	printf("{\"name\": \"types of the maps\"");
	hex("btf_types", btf_raw_types, sizeof(btf_raw_types));
	hex("btf_strings", btf_str_sec, sizeof(btf_str_sec));
	printf("}\n");
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		one(&tests[i]);
	return 0;
}
