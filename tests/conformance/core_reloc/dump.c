/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Prints the table of cases of the selftests' prog_tests/core_reloc.c as JSON lines. Run it in the folder of the built
 * objects: some expectations are completed from their BTF (through the host's libbpf).
 */
#include CORE_RELOC_C

static void hex(const char *name, const char *data, int length)
{
	printf(", \"%s\": \"", name);
	for (int i = 0; i < length; i++)
		printf("%02x", (unsigned char)data[i]);
	printf("\"");
}

static void text(const char *name, const char *value)
{
	printf(", \"%s\": ", name);
	if (value)
		printf("\"%s\"", value);
	else
		printf("null");
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(test_cases); i++) {
		struct core_reloc_test_case one = test_cases[i];
		int failed = one.setup && !one.needs_testmod ? one.setup(&one) : 0;

		printf("{\"name\": \"%s\"", one.case_name);
		text("object", one.bpf_obj_file);
		text("btf", one.btf_src_file);
		text("program", one.prog_name);
		hex("input", one.input, one.input_len);
		hex("output", one.output, one.output_len);
		printf(", \"fails\": %s, \"testmod\": %s, \"setup_failed\": %s}\n", one.fails ? "true" : "false",
		       one.needs_testmod ? "true" : "false", failed ? "true" : "false");
	}
	return 0;
}
