def test_it(probe, recipe_text):
    cases=[dict(text=recipe_text('MUMPS-5.8.1-foss-2025b-metis.eb', t), steps=['configure_step'], files={'Make.inc/Makefile.debian.PAR':'x'}) for t in ('cpeGNU','cpeAMD','cpeCray',None)]
    for r in probe(cases):
        print({k: v for k,v in r.items() if k!='environment'})
    assert 0
