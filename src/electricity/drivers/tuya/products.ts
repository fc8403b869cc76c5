/**
 * Which data point of a product means what, and by what it is divided: `P=19/100` is power in hundredths of a watt.
 * Letters: V volts, I amperes, P watts, E and X watt-hours drawn and fed back, F hertz, C power factor, Q var; a digit behind
 * is the phase; `phases` are packed data points, one for each phase.
 *
 * Facts only, in a shape of our own, from the device descriptions of make-all/tuya-local (MIT licence, 2026-08): meters,
 * breakers and plugs whose numbers differ from the usual ones that `data-points.rules.ts` recognises by itself.
 * A product whose descriptions contradict each other is left out, and so is 17 (energy since the last report, not a counter).
 */
export const productRows: readonly (readonly [productIds: string, points: string])[] = [
  ['bjawzodf tadm13agjigbdtxd', 'I=102/1000 E=105/1 F=107/1 C=106/100 P=103/10 V=101/10'],
  ['ZaXzIupxIMaZlwHx', 'I=102/1000 P=103/1 V=104/10'],
  [
    '5pyb1usxij5kzs47 7hBwPPNdDP1xHrWv XdGCESvXTI5Mvfx2 kopqi7ax9pwi7nr2 me0f991hyvz5uaew o2epqysxigahd7mn',
    'I=102/1000 P=103/10 V=104/10',
  ],
  ['qhlxve78', 'I=103/1000 E=1/0.1 X=2/0.1 F=101/100 P=104/1 V=102/10'],
  ['iwn0gpzz', 'I=103/1000 E=1/0.1 X=23/0.1 F=32/100 C=50/100 P=104/1 V=102/10'],
  ['7bvgooyjhiua1yyq', 'I=105/10 E=112/0.01 P=109/0.01 V=102/1'],
  ['dyazpvq8orn3psn1 gk3jvsduy5ixzff3', 'I=106/1000 E=108/1 P=105/10 V=107/10'],
  ['58bfahc5yvdpvpwd vhnq3ezhphqggwqt', 'I=107/1000 E=1/0.1 P=117/1 V=106/10'],
  ['emvuyyax4lekiooj hytatexziwaifxj1 wgtkomhkmkvrweel', 'I=108/10 E=106/0.01 P=109/0.01 V=107/1'],
  [
    'psjg8ldomxnelfp5 rrmpzckqm5pfd642 u0cxoxtfelys3ufx',
    'I=117/1000 E=1/0.1 F=105/10 C=104/1000 P=118/1 V=116/10',
  ],
  ['nslr42tt', 'I=131/1000 E=1/0.1 F=132/1 P=9/1 phases=6,7,8'],
  ['sw9asyjj8j44frjl', 'I=18/1000 E=101/0.1 P=19/10 V=20/10'],
  [
    'pl28o0wkaopyft8u seqzqh45b0ggn9so sq1ahfxhgove4kgo tjtigg991kvoiiqi',
    'I=18/1000 E=123/1 F=133/100 C=134/100 P=19/100 V=20/100',
  ],
  ['1xgihnuztyo12pqv', 'I=18/1000 E=123/1 P=19/100 V=20/100'],
  ['xzgtyrqbab8lm2zo', 'I=21/1000 E=20/1 P=23/10 V=22/10'],
  [
    'apwf3sfwz51xuvht keyjnuy4s3kre7m7 labfkgzm2ikdcpdp m4jtkjc43ltrilru ocazi2dacnofqidn',
    'I=21/1000 P=22/10 V=23/10',
  ],
  ['yrzel5nutomegk6z', 'I=21/1000 P=23/10 V=22/10'],
  ['37mnhia3pojleqfh bWBb4e6BTZGie0Lv kOKEJBFoF9VNB5FR', 'I=4/1000 P=5/10 V=6/10'],
  ['ksuysv9kv7m1cgwv', 'E=1/0.001 P=9/1 phases=6,7,8'],
  ['3hkuggyv8839m9gw ob3yxwxoeslczzlq z3jngbyubvwgfrcv', 'E=1/0.1 X=110/0.1 phases=6'],
  ['zxhlsbmhkauiyget', 'E=1/0.1 X=110/0.1 phases=6,7,8'],
  ['opdhepy0p7eyeurz', 'E=1/0.1 X=2/0.1 phases=6'],
  ['fygozcnralhwbauo', 'E=1/0.1 X=2/0.1 phases=6,7,8'],
  ['dpowo5ivv7thze68', 'E=1/0.1 X=23/0.1 F=32/100 phases=6,7,8'],
  ['ab1sqlmvkyfkll6v', 'E=1/0.1 X=23/0.1 C=50/100 P=29/1 Q=30/1 phases=6,7,8'],
  ['ejo7xbrodydgnavj', 'E=1/0.1 F=32/100 phases=6'],
  ['gnr22vuyz8uis3gr', 'E=1/0.1 F=32/100 C=50/100 phases=6'],
  ['a0k7kwt5wkqdswnm', 'E=1/0.1 P=139/1 phases=6,7,8'],
  ['cxriym8xwbnj4xdl', 'E=1/0.1 P=5/1 phases=6'],
  ['c1twbctmrehgni7a lvoduiglznasnnsr', 'E=1/0.1 P=9/1'],
  [
    'jca7v0q3kx9afren nui1mldb0iedtsoj otugaigzdqfyc9er skbzo8y3ud2htya4 w7lvyyxyevpwf20e xp3yag6huzpatstp ypdfdnwauasb8rje',
    'E=1/0.1 P=9/1 phases=6',
  ],
  [
    '1qu8ca6etdubbigj 3axf0fkgiop0ukhb anmnwqqojlg9og2t c2sgesr3zo1met7q cu111poj2mtikvls dkzx0axhp6zzcyp4 fdfjiphjxtc9qyhd g5pkcqekcb7hhnm4 jhlyzpk5nfk28nrh kvldga0omutrnify o4zjlnwqwe0dzitl pt6e5u40nasunnsp zma7jiuomnao0lk4',
    'E=1/0.1 P=9/1 phases=6,7,8',
  ],
  ['65zlpwd6lhgpbwtd aaaealnecwgwerjl', 'E=1/0.1 P=9/10 phases=6'],
  ['2wjeejfj90nlw5oj sdjwsgelux2upvuf', 'P=9/1 phases=6'],
  ['1rlikmowi2erb6qw', 'P=9/10'],
  ['jbarpbsikxovmxeg', 'I=101/1000 E=110/0.1 F=105/100 P1=103/10 P2=104/10 P=19/10 V=20/10'],
  [
    '4ooiu7apnjjumn0d ebdm8ax35pgodi2s uqmtey1qymnyzobg',
    'I=105/10 I1=106/10 I2=107/10 E=112/0.01 P=109/0.01 V1=103/10 V2=104/10 V=102/10',
  ],
  ['qqb5tzcb1qarf0s3', 'I1=102/1000 I2=103/1000 E=1/0.1 X=2/0.1 P1=104/10 P2=105/10 P=9/10 V=101/10'],
  ['tj9l3ghsjnbdjom6', 'I1=105/10 I2=106/10 I3=107/10 E=112/0.01 P=109/0.01 V1=102/1 V2=103/1 V3=104/1'],
  [
    'basqjlsmzcq8ipva j6bzjwhiv2cljjcy xiptqjoa8q9ltqhr zk1jkjhxqkfaaalp',
    'I1=105/10 I2=106/10 I3=107/10 E=112/0.01 P=109/0.01 V1=102/10 V2=103/10 V3=104/10',
  ],
  [
    '8bjnabt4gh8tu4vr v5jlnn5hwyffkhp3',
    'I1=105/1000 I2=110/1000 E=1/0.1 X=2/0.1 F=102/100 P1=106/10 P2=111/10 P=103/10 V=101/10',
  ],
  ['vfwxetkavqrvg02u', 'I1=107/1000 I2=110/1000 F=117/1 P1=108/1 P2=111/1 P=9/1 V=106/10'],
  [
    '81yrt3lo bbcg1hrkrj5rifsd z95s7p3z54xbsjnl',
    'I1=113/1000 I2=114/1000 E=1/0.1 X=2/0.1 F=111/100 P1=101/10 P2=105/10 P=115/10 V=112/10',
  ],
  [
    's2wublk5n2pycus1',
    'I=131/100 I1=106/100 I2=107/100 I3=108/100 P1=150/0.1 P2=151/0.1 V1=103/100 V2=104/100 V3=105/100',
  ],
  [
    '9rjjf6rdkca9woju gqmmtjclqb7reg5p r64livttuufctble',
    'I=132/1000 I1=102/1000 I2=112/1000 I3=122/1000 E=131/0.1 X=139/0.1 F=135/1 P1=103/1 P2=113/1 P3=123/1 P=133/1 V1=101/10 V2=111/10 V3=121/10',
  ],
  [
    'vnxcwomqkofjhjcc',
    'I1=102/1000 I2=108/1000 I3=114/1000 E=119/0.1 X=124/0.1 F=122/1 P1=103/1 P2=109/1 P3=115/1 P=121/1 V1=101/10 V2=107/10 V3=113/10',
  ],
  [
    'w5nhjnc3linrto2x',
    'I1=104/100 I2=105/100 I3=106/100 E=102/0.001 X=103/0.001 P1=107/1 P2=108/1 P3=109/1 V1=110/10 V2=111/10 V3=112/10',
  ],
  [
    'fzxonzodwjiugioz',
    'I1=104/1000 I2=113/1000 I3=122/1000 E=1/0.1 X=23/0.1 F=32/100 C=50/100 P1=105/1 P2=114/1 P3=123/1 P=29/1 V1=103/10 V2=112/10 V3=121/10',
  ],
  [
    'cdw24010001',
    'I1=104/1000 I2=113/1000 E=1/0.1 X=9/0.1 F=32/100 C=117/100 P1=105/1 P2=114/1 P=29/1 V1=103/10 V2=112/10',
  ],
  ['79a7z01v3n35kytb dhto3y4uachr1wll', 'I1=106/1000 I2=116/1000 P1=105/10 P2=115/10 V1=107/10 V2=117/10'],
  [
    '8afses1qqzgmof1w rw34oa0bvgg3arsh',
    'I1=126/1000 I2=129/1000 I3=132/1000 E=1/0.1 F=107/1 C=101/100 P1=127/1 P2=130/1 P3=133/1 P=9/1 V1=125/100 V2=128/100 V3=131/100',
  ],
  [
    'xafxthzm5rxv7qcc',
    'I1=130/1000 I2=131/1000 I3=132/1000 E=149/0.1 P1=137/1 P2=138/1 P3=139/1 V1=127/10 V2=128/10 V3=129/10',
  ],
  ['tf6qp8t3hl9h7m94', 'I1=18/1000 I2=102/1000 P1=19/10 P2=103/10 V1=20/10 V2=104/10'],
  ['zcmq0kvd01bn6s1n', 'I1=18/1000 I2=112/1000 E=119/0.1 X=121/0.1 P1=19/10 P2=113/10 V1=20/10 V2=114/10'],
];
